//! Every database that keeps the ledger, held to one suite; and the API over a real socket.

mod api;
#[expect(dead_code, reason = "the list of cases is for the next database")]
mod conformance;
mod lab;
