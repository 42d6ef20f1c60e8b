//! Arguments that are described to the parser when their verb was named: a command that ends after
//! some milliseconds would spend a tenth of them on the arguments of all others.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// The arguments of one verb. What a list of verbs says of it, its `about`, is not among them.
#[derive(Debug)]
pub(crate) struct LazyArgs<T>(pub(super) T);

impl<T: Args> Args for LazyArgs<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(T::augment_args)
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.defer(T::augment_args_for_update)
    }
}

impl<T: FromArgMatches> FromArgMatches for LazyArgs<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}
