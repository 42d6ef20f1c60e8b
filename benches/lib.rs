//! What the measurements here measure with; they are the `[[bench]]` targets and `instructions`.

pub mod inputs;
