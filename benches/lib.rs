//! A package of benchmarks; see its `[[bench]]` targets.
