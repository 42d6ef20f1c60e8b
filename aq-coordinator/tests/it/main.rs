//! Every database that keeps the ledger, held to one suite.

#[expect(dead_code, reason = "the list of cases is for the next database")]
mod conformance;
mod lab;
