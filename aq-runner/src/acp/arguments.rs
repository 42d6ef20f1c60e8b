//! The adapter's command line.

use std::ffi::OsString;
use std::time::Duration;

/// The first argument of a program that is to be the adapter.
pub(crate) const ADAPTER: &str = "acp";

/// Time in which an agent has to answer `initialize`.
const SETUP_LIMIT: Duration = Duration::from_secs(60);

/// One run of an agent over the protocol. The prompt comes on standard input, the working directory
/// and the environment are the process's own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdapterRun {
    /// The session to go on with.
    pub(crate) session: Option<String>,
    /// Cost of that session so far, in US dollars, where it is known: agents report the cost of the
    /// whole session.
    pub(crate) session_cost: Option<f64>,
    /// The model to choose, as the agent calls it.
    pub(crate) model: Option<String>,
    /// The mode of the session to choose, as the agent calls it.
    pub(crate) mode: Option<String>,
    /// Permission for everything that the agent asks for.
    pub(crate) yolo: bool,
    /// Time in which the agent has to answer `initialize`.
    pub(crate) setup_limit: Duration,
    /// The agent's program.
    pub(crate) program: OsString,
    /// The agent's arguments.
    pub(crate) args: Vec<OsString>,
}

impl AdapterRun {
    /// A fresh session of this agent.
    pub(crate) fn new(program: OsString, args: Vec<OsString>) -> Self {
        Self {
            session: None,
            session_cost: None,
            model: None,
            mode: None,
            yolo: false,
            setup_limit: SETUP_LIMIT,
            program,
            args,
        }
    }

    /// The arguments, from [`ADAPTER`] on.
    pub(crate) fn into_arguments(self) -> Vec<OsString> {
        let mut all: Vec<OsString> = vec![ADAPTER.into()];
        let cost = self.session_cost.map(|cost| cost.to_string());
        for (option, value) in [
            ("--session", self.session),
            ("--session-cost", cost),
            ("--model", self.model),
            ("--mode", self.mode),
        ] {
            all.extend(value.into_iter().flat_map(|value| [option.into(), value.into()]));
        }
        if self.yolo {
            all.push("--yolo".into());
        }
        if self.setup_limit != SETUP_LIMIT {
            all.extend(["--setup-limit".into(), self.setup_limit.as_secs().to_string().into()]);
        }
        all.extend(["--".into(), self.program]);
        all.extend(self.args);
        all
    }

    /// Reads what follows [`ADAPTER`]; `None` for anything that is not such a command line.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut arguments = arguments.into_iter();
        let mut run = Self::new(OsString::new(), Vec::new());
        loop {
            let option = arguments.next()?;
            match option.to_str()? {
                "--session" => run.session = Some(arguments.next()?.into_string().ok()?),
                "--session-cost" => {
                    let cost: f64 = arguments.next()?.to_str()?.parse().ok()?;
                    run.session_cost = Some(cost).filter(|cost| cost.is_finite());
                }
                "--model" => run.model = Some(arguments.next()?.into_string().ok()?),
                "--mode" => run.mode = Some(arguments.next()?.into_string().ok()?),
                "--yolo" => run.yolo = true,
                "--setup-limit" => {
                    let seconds = arguments.next()?.to_str()?.parse().ok()?;
                    run.setup_limit = Duration::from_secs(seconds);
                }
                "--" => break,
                _ => return None,
            }
        }
        run.program = arguments.next()?;
        run.args = arguments.collect();
        Some(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_go_both_ways() {
        let plain = AdapterRun::new("kimi".into(), vec!["acp".into(), "--".into()]);
        let full = AdapterRun {
            session: Some("s1".to_owned()),
            session_cost: Some(0.024_984_000_000_000_003),
            model: Some("-big".to_owned()),
            mode: Some("all".to_owned()),
            yolo: true,
            setup_limit: Duration::from_secs(1),
            ..plain.clone()
        };
        for run in [plain, full] {
            let arguments = run.clone().into_arguments();
            assert_eq!(arguments[0], ADAPTER);
            assert_eq!(AdapterRun::parse(arguments.into_iter().skip(1)), Some(run));
        }
    }

    #[test]
    fn other_command_lines_are_refused() {
        for line in
            ["", "--", "--session", "--session s1", "kimi acp", "--model m kimi", "--yes -- a"]
        {
            let words = line.split_whitespace().map(OsString::from);
            assert_eq!(AdapterRun::parse(words), None, "{line}");
        }
    }
}
