//! The scheduler from outside: tables of small cases, and a state machine against a naive model.

mod cases;
mod lab;
mod machine;
mod model;
