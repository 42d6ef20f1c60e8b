//! The instruments of the measurements here, which are the `[[bench]]` targets and `instructions`.

pub mod inputs;
