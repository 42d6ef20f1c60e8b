//! `aq dashboard`: over HTTP, and in a real browser.

mod actions;
mod board;
mod chrome;
mod hostile;
mod limits;
mod many;
mod outages;
mod pictures;
mod server;
mod strangers;
