//! A package of examples; see its `[[example]]` targets.
