//! The crate from outside: what is sent, word for word, and what hostile trackers can do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod fake;
mod forge;
mod github;
mod http;
mod items;
mod mapping;
mod recorded;
