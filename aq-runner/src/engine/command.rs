//! The command line of an engine, from a job's fields and the engine's definition.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::definition::{EngineDefinition, EngineProtocol, PromptBy};
use super::script;
use super::session::is_session_id;
use super::template::{LISTS, list, placeholders, render};

/// The file in a job's scratch directory that holds its prompt, where an engine wants a file.
pub const PROMPT_FILE: &str = "aq-prompt";

/// The file beside it with a script's feedback, and the variable that names it.
const FEEDBACK_FILE: &str = "aq-feedback";
pub(crate) const FEEDBACK_VARIABLE: &str = "AQ_FEEDBACK";

/// The longest single argument that Linux passes to a program, in bytes (`MAX_ARG_STRLEN` less the
/// final NUL).
const ARGUMENT_MAX: usize = 131_071;

/// One run of an engine, as the job and the attempt say it.
#[derive(Clone, Copy, Debug)]
pub struct EngineInvocation<'a> {
    /// The job's body.
    pub prompt: &'a str,
    /// The profile's text, put before the prompt.
    pub persona: Option<&'a str>,
    /// Feedback on earlier attempts: after the prompt, and in place of it for a session that is
    /// resumed and knows the prompt.
    pub feedback: Option<&'a str>,
    /// The job's `model`. An engine that has no model arguments is run without.
    pub model: Option<&'a str>,
    /// The job's `args`, passed as they are.
    pub args: &'a [String],
    /// The job's `yolo`: no permission checks.
    pub yolo: bool,
    /// The session to go on with: one that
    /// [`RunVerdict::session_id`](super::RunVerdict::session_id) or
    /// [`EventReader::session_id`](super::EventReader::session_id) gave for this engine **in this
    /// working directory** (most engines know it nowhere else). Ignored when the engine cannot
    /// resume.
    pub session: Option<&'a str>,
    /// The job's own temporary directory: exists, is absolute, is removed after the run.
    pub scratch: &'a Path,
    /// The engine will run as root.
    pub is_root: bool,
}

/// A command line, with its surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineCommand {
    /// The program's absolute path (a script's `#!` line may also name a relative one).
    pub program: PathBuf,
    /// Its arguments, without the program's name.
    pub args: Vec<OsString>,
    /// The bytes for standard input, which is then closed. `None`: `/dev/null`. Never leave it
    /// open: some engines wait for its end.
    pub stdin: Option<Vec<u8>>,
    /// Variables to set, before the job's own `env`.
    pub env_set: Vec<(OsString, OsString)>,
    /// Variables to set where the user's environment does not.
    pub env_default: Vec<(OsString, OsString)>,
    /// Files to write before the start, all directly in the scratch directory.
    pub files: Vec<ScratchFile>,
    /// The file for the engine's usage. It may not be there after the run.
    pub usage_file: Option<PathBuf>,
    /// A session is resumed: the agent already knows the prompt.
    pub resumes: bool,
    /// Id that aq has chosen for the session that begins.
    pub new_session: Option<String>,
    /// Set for an engine that is talked with in the Agent Client Protocol: the program, its
    /// arguments and `stdin` are then for an adapter that does so.
    pub acp: Option<AcpTalk>,
}

/// Everything that an adapter for the Agent Client Protocol has to know beside the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AcpTalk {
    /// The session to go on with.
    pub session: Option<String>,
    /// The model to choose. `None` also where the engine gets it as an argument.
    pub model: Option<String>,
    /// The session's mode to choose.
    pub mode: Option<String>,
    /// Permission for everything that the agent asks for.
    pub yolo: bool,
}

/// A file to write before the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScratchFile {
    /// Absolute.
    pub path: PathBuf,
    /// Its content.
    pub content: Vec<u8>,
    /// Its permission bits.
    pub mode: u32,
}

/// An engine cannot be run like this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Not installed.
    #[error(transparent)]
    Missing(#[from] super::MissingBinary),
    /// No engine of this name.
    #[error(transparent)]
    NoSuchEngine(#[from] super::NoSuchEngine),
    /// Longer than an argument can be; as a rule it is the prompt.
    #[error(
        "an argument of {engine} has {bytes} bytes, but can have no more than {ARGUMENT_MAX}; \
         shorten it, or when it is the prompt, set `prompt: stdin` or `prompt: file` for {engine} \
         in config.yaml"
    )]
    ArgumentTooLong {
        /// The engine.
        engine: String,
        /// Its length.
        bytes: usize,
    },
    /// The prompt would be read as an option.
    #[error(
        "the prompt begins with `-`, and {engine} takes it as an argument, where it would be read \
         as an option; put `--` or `--option={{prompt}}` in the argv of {engine} in config.yaml, \
         or set `prompt: stdin`"
    )]
    PromptIsOption {
        /// The engine.
        engine: String,
    },
    /// An argument with a NUL byte.
    #[error(
        "an argument of {engine} holds a NUL byte, which no program can be given; \
        remove it from the job"
    )]
    Nul {
        /// The engine.
        engine: String,
    },
}

/// Builds the command of `engine`, whose program was found at `program`.
pub(super) fn build(
    engine: &str,
    definition: &EngineDefinition,
    program: PathBuf,
    job: &EngineInvocation<'_>,
) -> Result<EngineCommand, CommandError> {
    let session = resumed_session(definition, job.session);
    let chooses = session.is_none() && !definition.session_args.is_empty();
    let new_session = chooses.then(|| Uuid::new_v4().to_string());
    let prompt = whole_prompt(definition, job);
    let prompt_file = job.scratch.join(PROMPT_FILE);
    let usage_file = job.scratch.join("aq-usage.json");
    let value = |name: &str| match name {
        "model" => job.model.map(OsString::from),
        "session" => session.or(new_session.as_deref()).map(OsString::from),
        "prompt" => Some(OsString::from(&prompt)),
        "prompt_file" => Some(prompt_file.clone().into()),
        "usage_file" => Some(usage_file.clone().into()),
        _ => None,
    };
    let (mut program, mut args) = (program, Vec::new());
    if definition.prompt == PromptBy::Script
        && let Some((named, argument)) = script::interpreter(&prompt)
    {
        program = named;
        args.extend(argument.map(OsString::from));
    }
    for word in full_template(definition) {
        match list(&word) {
            Some("args") => args.extend(job.args.iter().map(OsString::from)),
            Some(name) => {
                let words = list_words(definition, name, job, session);
                args.extend(words.iter().map(|word| render(word, value)));
            }
            None => {
                if word.starts_with("{prompt}") {
                    guard_option(engine, &prompt, args.last())?;
                }
                args.push(render(&word, value));
            }
        }
    }
    let acp = definition.protocol.map(|EngineProtocol::Acp| AcpTalk {
        session: session.map(str::to_owned),
        model: job.model.filter(|_| definition.model_args.is_empty()).map(str::to_owned),
        mode: if job.yolo { &definition.yolo_mode } else { &definition.safe_mode }.clone(),
        yolo: job.yolo,
    });
    guard_arguments(engine, &args)?;
    let model = acp.as_ref().and_then(|talk| talk.model.as_deref());
    guard_arguments(engine, &model.map(OsString::from).into_iter().collect::<Vec<_>>())?;

    let mut env_set: Vec<(OsString, OsString)> = as_env(&definition.env);
    let is_script = definition.prompt == PromptBy::Script;
    let feedback = job.feedback.filter(|_| is_script).map(|feedback| ScratchFile {
        path: job.scratch.join(FEEDBACK_FILE),
        content: feedback.into(),
        mode: 0o600,
    });
    if let Some(feedback) = &feedback {
        env_set.push((FEEDBACK_VARIABLE.into(), feedback.path.clone().into()));
    }
    if job.is_root && job.yolo {
        env_set.extend(as_env(&definition.root_yolo_env));
    }
    let mode = if definition.prompt == PromptBy::Script { 0o700 } else { 0o600 };
    let in_file = matches!(definition.prompt, PromptBy::File | PromptBy::Script);
    let file = || ScratchFile { path: prompt_file.clone(), content: prompt.clone().into(), mode };
    Ok(EngineCommand {
        program,
        args,
        stdin: (definition.prompt == PromptBy::Stdin).then(|| prompt.clone().into()),
        env_set,
        env_default: as_env(&definition.default_env),
        files: in_file.then(file).into_iter().chain(feedback).collect(),
        usage_file: uses(definition, "usage_file").then_some(usage_file.clone()),
        resumes: session.is_some(),
        new_session,
        acp,
    })
}

/// The words that a list placeholder means in this run.
fn list_words<'a>(
    definition: &'a EngineDefinition,
    name: &str,
    job: &EngineInvocation<'_>,
    session: Option<&str>,
) -> &'a [String] {
    match name {
        "permission_args" if job.yolo => &definition.yolo_args,
        "permission_args" => &definition.safe_args,
        "model_args" if job.model.is_some() => &definition.model_args,
        "resume_args" if session.is_some() => &definition.resume_args,
        "resume_args" => &definition.session_args,
        _ => &[],
    }
}

/// The argv template with the lists that it does not place itself, and the prompt, at its end.
fn full_template(definition: &EngineDefinition) -> Vec<String> {
    let mut words = definition.argv.clone();
    for name in LISTS {
        if !words.iter().any(|word| list(word) == Some(name)) {
            words.push(format!("{{{name}}}"));
        }
    }
    if definition.prompt == PromptBy::Argument && !uses(definition, "prompt") {
        words.push("{prompt}".to_owned());
    }
    words
}

fn uses(definition: &EngineDefinition, placeholder: &str) -> bool {
    definition.argv.iter().any(|word| placeholders(word).contains(&placeholder))
}

/// The session that a run goes on with.
pub(super) fn resumed_session<'a>(
    definition: &EngineDefinition,
    session: Option<&'a str>,
) -> Option<&'a str> {
    session.filter(|id| is_session_id(id) && can_resume(definition))
}

/// Tests for an engine that can go on with a session of its own. Over a protocol the agent says so
/// itself, and the adapter reports a session that is gone when it cannot.
pub(super) fn can_resume(definition: &EngineDefinition) -> bool {
    definition.protocol.is_some() || !definition.resume_args.is_empty()
}

/// The whole text for the engine. A script gets its feedback in a file of its own.
pub(super) fn whole_prompt(definition: &EngineDefinition, job: &EngineInvocation<'_>) -> String {
    let by = definition.prompt;
    let prompt = || match job.persona {
        persona if by == PromptBy::Script => script::of_this_system(persona, job.prompt),
        Some(persona) => format!("{}\n\n{}", persona.trim_end(), job.prompt),
        None => job.prompt.to_owned(),
    };
    match job.feedback.filter(|_| by != PromptBy::Script) {
        Some(feedback) if resumed_session(definition, job.session).is_some() => feedback.to_owned(),
        Some(feedback) => format!("{}\n\n{feedback}", prompt().trim_end()),
        None => prompt(),
    }
}

fn guard_option(engine: &str, prompt: &str, before: Option<&OsString>) -> Result<(), CommandError> {
    if prompt.starts_with('-') && before.is_none_or(|word| word != "--") {
        return Err(CommandError::PromptIsOption { engine: engine.to_owned() });
    }
    Ok(())
}

fn guard_arguments(engine: &str, args: &[OsString]) -> Result<(), CommandError> {
    for arg in args {
        let bytes = arg.len();
        if bytes > ARGUMENT_MAX {
            return Err(CommandError::ArgumentTooLong { engine: engine.to_owned(), bytes });
        }
        if arg.as_encoded_bytes().contains(&0) {
            return Err(CommandError::Nul { engine: engine.to_owned() });
        }
    }
    Ok(())
}

fn as_env(map: &std::collections::BTreeMap<String, String>) -> Vec<(OsString, OsString)> {
    map.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{command, job, line, with_config};
    use crate::engine::{EngineChange, EngineConfig};

    fn configured(
        change: EngineChange,
        job: &EngineInvocation<'_>,
    ) -> Result<EngineCommand, CommandError> {
        let engines = [("mine".to_owned(), change)].into();
        with_config(&EngineConfig { engines, ..Default::default() }).command("mine", job)
    }

    fn words(text: &str) -> Option<Vec<String>> {
        Some(text.split(' ').map(str::to_owned).collect())
    }

    fn by_argument(argv: &str) -> EngineChange {
        EngineChange { argv: words(argv), prompt: Some(PromptBy::Argument), ..Default::default() }
    }

    #[test]
    fn unplaced_lists_end_argv() {
        let change = EngineChange {
            argv: words("{model_args} go"),
            yolo_args: words("--yolo"),
            safe_args: words("--safe"),
            model_args: words("-m={model}"),
            resume_args: words("--resume {session}"),
            ..Default::default()
        };
        let args = ["{model}".to_owned()];
        let full = EngineInvocation {
            model: Some("big"),
            session: Some("s1"),
            args: &args,
            yolo: true,
            ..job()
        };
        let command = configured(change.clone(), &full).unwrap();
        assert_eq!(line(&command.args), "-m=big go --yolo --resume s1 {model}");
        assert_eq!((command.stdin.as_deref(), command.resumes), (Some(&b"do it"[..]), true));
        let command = configured(change, &job()).unwrap();
        assert_eq!((line(&command.args).as_str(), command.resumes), ("go --safe", false));
        assert!(command.files.is_empty() && command.usage_file.is_none());
    }

    #[test]
    fn prompt_argument_has_its_place() {
        let at_end = configured(by_argument("run"), &job()).unwrap();
        assert_eq!(at_end.args, ["run", "do it"]);
        assert_eq!(at_end.stdin, None);
        let placed = configured(by_argument("--prompt={prompt} run"), &job()).unwrap();
        assert_eq!(placed.args, ["--prompt=do it", "run"]);
    }

    #[test]
    fn a_prompt_that_would_be_an_option_is_refused() {
        let dash = EngineInvocation { prompt: "-rf", ..job() };
        let refused = configured(by_argument("run"), &dash).unwrap_err();
        assert!(matches!(refused, CommandError::PromptIsOption { .. }), "{refused}");
        assert_eq!(configured(by_argument("run -- {prompt}"), &dash).unwrap().args[2], "-rf");
        assert_eq!(configured(by_argument("-p={prompt}"), &dash).unwrap().args[0], "-p=-rf");
        let persona = EngineInvocation { persona: Some("You are careful."), ..dash };
        assert!(configured(by_argument("run"), &persona).is_ok());
        assert_eq!(command("claude", &dash).stdin.unwrap(), b"-rf");
    }

    #[test]
    fn impossible_arguments_are_refused() {
        let longest = "x".repeat(ARGUMENT_MAX);
        let fits = EngineInvocation { prompt: &longest, ..job() };
        assert!(configured(by_argument("run"), &fits).is_ok());
        let error = configured(by_argument("-p={prompt}"), &fits).unwrap_err();
        assert!(error.to_string().contains("131074 bytes"), "{error}");
        let nul = EngineInvocation { prompt: "a\0b", ..job() };
        let error = configured(by_argument("run"), &nul).unwrap_err();
        assert!(matches!(error, CommandError::Nul { .. }), "{error}");
        assert!(command("codex", &nul).stdin.is_some());
    }

    #[test]
    fn the_persona_comes_first() {
        let command = command("codex", &EngineInvocation { persona: Some("Be brief.\n"), ..job() });
        assert_eq!(command.stdin.unwrap(), b"Be brief.\n\ndo it");
    }

    #[test]
    fn resumed_session_gets_only_feedback() {
        let feedback = Some("It failed.\n");
        let fresh = EngineInvocation { feedback, persona: Some("Be brief."), ..job() };
        let stdin = |command: EngineCommand| String::from_utf8(command.stdin.unwrap()).unwrap();
        assert_eq!(stdin(command("codex", &fresh)), "Be brief.\n\ndo it\n\nIt failed.\n");
        let resumed = EngineInvocation { session: Some("s1"), ..fresh };
        assert_eq!(stdin(command("codex", &resumed)), "It failed.\n");
        let nothing = EngineInvocation { feedback: None, ..resumed };
        assert_eq!(stdin(command("codex", &nothing)), "Be brief.\n\ndo it");
    }

    #[test]
    fn script_gets_feedback_in_file() {
        let command =
            command("shell", &EngineInvocation { feedback: Some("It failed.\n"), ..job() });
        let [script, feedback] = &command.files[..] else { panic!("{:?}", command.files) };
        assert_eq!((script.content.as_slice(), feedback.mode), (&b"do it"[..], 0o600));
        assert_eq!(feedback.content, b"It failed.\n");
        let named = ("AQ_FEEDBACK".into(), feedback.path.clone().into());
        assert!(command.env_set.contains(&named));
    }

    #[test]
    fn option_like_session_is_not_resumed() {
        let command = command("claude", &EngineInvocation { session: Some("--evil"), ..job() });
        assert!(!command.resumes);
        assert!(!line(&command.args).contains("evil"));
    }
}
