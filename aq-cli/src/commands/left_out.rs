//! A verb that this program was built without.

use std::ffi::OsString;

use crate::exit::{CliFailure, Outcome};

/// Anything: what it would mean is not known here.
#[derive(Debug, clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _words: Vec<OsString>,
}

/// The refusal, which names what to build. Verb and feature have one name.
pub(crate) fn refuse(feature: &str) -> Outcome {
    Err(CliFailure::usage(format_args!(
        "this aq was built without the feature `{feature}`: build aq-cli with --features {feature}"
    )))
}
