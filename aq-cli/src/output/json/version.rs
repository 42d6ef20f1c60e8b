//! Versions of the shapes of answers in JSON.

/// A version of all shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum JsonVersion {
    /// The first one: reasons and problems are texts.
    #[value(name = "1")]
    V1,
    /// Reasons and problems are objects with a `code`, its fields, and `text`.
    #[value(name = "2")]
    V2,
}

impl JsonVersion {
    /// The number, which every shape has in `version`.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

// The option of every command that answers in JSON. A doc comment would be the top of the
// help of all of them.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct JsonOption {
    /// Answer in JSON; `--json=1` in the shape of version 1, which has texts in place of codes
    #[arg(
        id = "json",
        long,
        value_name = "VERSION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "2"
    )]
    pub(crate) version: Option<JsonVersion>,
}
