//! Answers of a model, without the form that a vendor gives them.

use serde_json::Value;

/// Tokens of one call. `input` holds what was read from the cache as it does at OpenAI and Google,
/// and not as at Anthropic; `output` holds the reasoning, but not at Google: each vendor is
/// followed.
pub(crate) struct CallUsage {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) cache_write: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

/// The same for every call.
pub(crate) const USAGE: CallUsage =
    CallUsage { input: 1234, cached: 200, cache_write: 30, output: 56, reasoning: 7 };

/// Reaction of the model to one call.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// It has the agent run a command.
    Run(String),
    /// The same, and the agent is to go on before the command has ended.
    RunBeside(String),
    /// It says something and ends its turn.
    Say(&'static str),
    /// It begins to say something, and then nothing more comes.
    HangMidway,
    /// It begins to say something, and then the connection ends.
    Cut,
    /// It never answers, and keeps the connection.
    Hang,
    /// The connection ends before an answer.
    HangUp,
    /// An error of the vendor's.
    Fail(Fault),
}

/// Errors that vendors answer with, instead of the model.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The key is wrong: HTTP 401, or 400 at Google.
    WrongKey,
    /// HTTP 429, of the kind that is over after so many seconds.
    TooMany { retry_after_s: u32 },
    /// No credit is left, or the day's quota is used up, and nobody says until when.
    NoCredit,
    /// The plan is used up until then, in seconds of the epoch.
    UsedUp { until: i64 },
    /// HTTP 500.
    Broken,
    /// The service has too much to do.
    Overloaded,
    /// The session is too long for the model.
    TooLong,
}

/// One thing that the model says or does, in the words of a call's own tools.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Text(String),
    Tool { name: String, arguments: Value },
}

/// A streamed answer: events up to and with the first words, and the others.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) begun: Vec<Value>,
    pub(super) rest: Vec<Value>,
}

/// A vendor's form for calls and answers.
pub(super) trait ModelApi: Sync {
    /// The names and schemas of the tools that a call offers.
    fn tools<'a>(&self, call: &'a Value) -> Vec<(&'a str, &'a Value)>;
    /// An answer in one piece.
    fn whole(&self, call: &Value, content: &Content) -> Value;
    fn stream(&self, call: &Value, content: &Content) -> Stream;
    fn fault(&self, fault: Fault) -> super::http::Response;
    /// The end of a stream beside its events.
    fn last_line(&self) -> &'static str {
        ""
    }
}
