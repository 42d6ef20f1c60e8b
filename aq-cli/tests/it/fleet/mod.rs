//! A fleet of real processes: coordinators, hosts with queues of their own, and what can happen to
//! them.

mod basics;
mod ends;
mod fences;
mod lab;
mod outages;
mod proxy;
