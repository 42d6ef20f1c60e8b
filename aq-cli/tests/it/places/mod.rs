//! Where queues are, how they are found, and whether they are trusted.

mod finding;
mod lab;
mod making;
mod moving;
mod trusting;
mod users;
