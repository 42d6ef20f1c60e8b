//! The sections `engines` and `classes` of config.yaml.

use std::collections::BTreeMap;
use std::fmt;
use std::iter;

use aq_manifest::nearest;
use serde::de::{SeqAccess, Visitor, value::SeqAccessDeserializer};
use serde::{Deserialize, Deserializer};

use super::builtin;
use super::candidates::Classes;
use super::definition::{EngineDefinition, EngineProtocol, PromptBy};
use super::identity::VersionCheck;
use super::login::LoginFacts;
use super::output_choice::OutputChoice;
use super::template::{LISTS, list, placeholders};

/// Engines and classes, as config.yaml describes them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// New engines, and changes to built-in ones, by name.
    pub engines: BTreeMap<String, EngineChange>,
    /// Classes by name: their engines in the order in which they are tried. A class that is named
    /// here has these engines and those that `engines` puts into it, and no others.
    pub classes: BTreeMap<String, Vec<String>>,
}

/// The config of one engine. What it does not say stays as it is built in, or as it is for an
/// engine that reads its prompt on standard input and is judged by its exit code.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct EngineChange {
    /// The built-in engine that this one is but for what is said here, such as another account of
    /// it. Then `env` is added to its variables, and it comes right after it in its classes.
    pub like: Option<String>,
    /// A path (`~/` is the home directory), or a name to find on PATH. Default: the engine's name.
    pub bin: Option<String>,
    /// The arguments. A word can be `{permission_args}`, `{model_args}`, `{resume_args}` or
    /// `{args}` (the job's own): the list comes in its place; lists that are not named come at the
    /// end, in this order. Any word can hold `{prompt}`, `{prompt_file}`, `{usage_file}`.
    pub argv: Option<Vec<String>>,
    /// The protocol in which aq talks with it, `acp`; prompt, session and answers go that way.
    /// Default: none, it reads a prompt and prints `output`. An engine that is built in keeps none
    /// of its arguments then.
    pub protocol: Option<EngineProtocol>,
    /// The way in which the prompt is given. Default `stdin`.
    pub prompt: Option<PromptBy>,
    /// `{permission_args}` of a job with `yolo: true`.
    pub yolo_args: Option<Vec<String>>,
    /// `{permission_args}` of any other job.
    pub safe_args: Option<Vec<String>>,
    /// The session's mode of a job with `yolo: true`, as an engine with a `protocol` calls it.
    pub yolo_mode: Option<String>,
    /// The session's mode of any other job.
    pub safe_mode: Option<String>,
    /// `{model_args}` of a job that names a model; `{model}` is its name.
    pub model_args: Option<Vec<String>>,
    /// `{resume_args}` when a session is resumed; `{session}` is its id.
    pub resume_args: Option<Vec<String>>,
    /// `{resume_args}` when a session begins; `{session}` is an id that aq chooses, a UUID.
    pub session_args: Option<Vec<String>>,
    /// Format of the output: the name of one, or a description. Default `text`.
    pub output: Option<OutputChoice>,
    /// The class it belongs to, or a list of them; `[]` for none.
    #[serde(deserialize_with = "one_or_many")]
    pub class: Option<Vec<String>>,
    /// Variables to set. `${NAME}` as a value is the user's variable of that name; `~/` at its
    /// beginning is the home directory.
    pub env: Option<BTreeMap<String, String>>,
    /// Variables to set where neither the user's environment nor the job does.
    pub default_env: Option<BTreeMap<String, String>>,
    /// Variables to set in addition when root runs a job with `yolo: true`.
    pub root_yolo_env: Option<BTreeMap<String, String>>,
    /// Variables that the engine sets for its own children, or that make it wait for hours: nothing
    /// that aq starts for a job inherits them.
    pub child_env: Option<Vec<String>>,
    /// Variables that choose the account it works with: usage limits are counted by account.
    pub account_env: Option<Vec<String>>,
    /// Places of its login.
    pub login: Option<LoginFacts>,
    /// Proof that a program found on PATH is this engine, and no other of its name.
    pub version: Option<VersionCheck>,
    /// Versions that aq was tried with, as `1.2.3`.
    pub tried: Option<Vec<String>>,
}

/// Config describes an engine or a class that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct EngineConfigError {
    /// The path of the key, as `engines.NAME.argv`.
    pub key: String,
    /// The problem, and the expected form.
    pub problem: String,
}

impl EngineChange {
    /// The built-in engine that is named here.
    pub(super) fn base(&self, name: &str) -> Result<Option<EngineDefinition>, EngineConfigError> {
        let Some(like) = &self.like else { return Ok(None) };
        let names = builtin::names();
        if names.contains(&name) {
            let problem = format!("{name} is a built-in engine; give this one a name of its own");
            return Err(error(name, "like", problem));
        }
        let meant = nearest(like, names.iter().copied());
        let meant = meant.map_or(String::new(), |name| format!(" (did you mean {name}?)"));
        let known =
            || format!("{like:?} is no built-in engine{meant}; known are {}", names.join(", "));
        let base = builtin::definition(like).ok_or_else(|| error(name, "like", known()))?;
        Ok(Some(base))
    }

    /// `base` with what is said here in place of what it had.
    pub(super) fn apply(
        &self,
        name: &str,
        mut base: EngineDefinition,
    ) -> Result<EngineDefinition, EngineConfigError> {
        check_name("engines", name)?;
        if let Some(bin) = &self.bin {
            base.program.clone_from(bin);
            base.program_from_config = true;
        }
        if self.protocol.is_some() {
            base = self.over_protocol(name, base)?;
        }
        replace(&mut base.argv, &self.argv);
        replace(&mut base.prompt, &self.prompt);
        replace(&mut base.yolo_args, &self.yolo_args);
        replace(&mut base.safe_args, &self.safe_args);
        base.yolo_mode = self.yolo_mode.clone().or(base.yolo_mode);
        base.safe_mode = self.safe_mode.clone().or(base.safe_mode);
        replace(&mut base.model_args, &self.model_args);
        replace(&mut base.resume_args, &self.resume_args);
        replace(&mut base.session_args, &self.session_args);
        replace(&mut base.class, &self.class);
        match &self.env {
            Some(env) if self.like.is_some() => base.env.extend(env.clone()),
            _ => replace(&mut base.env, &self.env),
        }
        replace(&mut base.default_env, &self.default_env);
        replace(&mut base.root_yolo_env, &self.root_yolo_env);
        replace(&mut base.child_env, &self.child_env);
        replace(&mut base.account_env, &self.account_env);
        replace(&mut base.tried, &self.tried);
        if self.version.is_some() {
            base.version.clone_from(&self.version);
        }
        if let Some(login) = &self.login {
            base.login = Some(login.clone());
        }
        if let Some(output) = &self.output {
            let checked = output.named_for(name);
            base.output =
                checked.map_err(|(key, problem)| error(name, &format!("output{key}"), problem))?;
        }
        let modes = [("yolo-mode", &base.yolo_mode), ("safe-mode", &base.safe_mode)];
        if base.protocol.is_none()
            && let Some((key, _)) = modes.into_iter().find(|(_, mode)| mode.is_some())
        {
            let problem = "only an engine with a `protocol` has modes; set `protocol: acp`";
            return Err(error(name, key, problem.to_owned()));
        }
        check_words(name, &base)?;
        Ok(base)
    }

    /// `base` as an engine that is talked with in a protocol: its arguments were for another way.
    fn over_protocol(
        &self,
        name: &str,
        base: EngineDefinition,
    ) -> Result<EngineDefinition, EngineConfigError> {
        let set = [
            ("prompt", self.prompt.is_some()),
            ("output", self.output.is_some()),
            ("resume-args", self.resume_args.is_some()),
            ("session-args", self.session_args.is_some()),
        ];
        if let Some((key, _)) = set.into_iter().find(|(_, is_set)| *is_set) {
            let problem = "it goes over the `protocol`; leave this key out";
            return Err(error(name, key, problem.to_owned()));
        }
        Ok(EngineDefinition {
            protocol: self.protocol,
            output: OutputChoice::named("jsonl-acp"),
            prompt: PromptBy::Stdin,
            argv: Vec::new(),
            yolo_args: Vec::new(),
            safe_args: Vec::new(),
            model_args: Vec::new(),
            resume_args: Vec::new(),
            session_args: Vec::new(),
            ..base
        })
    }
}

fn replace<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

fn check_words(name: &str, engine: &EngineDefinition) -> Result<(), EngineConfigError> {
    let in_argv: &[&str] = match engine.prompt {
        PromptBy::Stdin => &["usage_file"],
        PromptBy::Argument => &["usage_file", "prompt"],
        PromptBy::File | PromptBy::Script => &["usage_file", "prompt_file"],
    };
    let lists = [
        ("argv", &engine.argv, in_argv),
        ("yolo-args", &engine.yolo_args, &[]),
        ("safe-args", &engine.safe_args, &[]),
        ("model-args", &engine.model_args, &["model"]),
        ("resume-args", &engine.resume_args, &["session"]),
        ("session-args", &engine.session_args, &["session"]),
    ];
    for (key, words, allowed) in lists {
        for word in words {
            if key == "argv" && list(word).is_some() {
                continue;
            }
            for found in placeholders(word) {
                if LISTS.contains(&found) && key == "argv" {
                    let problem = format!("{{{found}}} must be a word of its own, not in {word:?}");
                    return Err(error(name, key, problem));
                }
                if !allowed.contains(&found) {
                    return Err(error(name, key, unknown_placeholder(found, key, allowed)));
                }
            }
        }
    }
    let by_file = matches!(engine.prompt, PromptBy::File | PromptBy::Script);
    let named = engine.argv.iter().any(|word| placeholders(word).contains(&"prompt_file"));
    if by_file && !named {
        let problem = "no word holds {prompt_file}, so the engine would never see the prompt";
        return Err(error(name, "argv", problem.to_owned()));
    }
    Ok(())
}

fn unknown_placeholder(found: &str, key: &str, allowed: &[&str]) -> String {
    let mut can: Vec<String> = allowed.iter().map(|name| format!("{{{name}}}")).collect();
    if key == "argv" {
        can.extend(LISTS.map(|name| format!("{{{name}}}")));
    }
    let can = if can.is_empty() { "nothing".to_owned() } else { can.join(" ") };
    format!("{{{found}}} stands for nothing here; what can be used with this `prompt`: {can}")
}

/// The members of every class: those that config lists, those that config puts there, and in a
/// class that config does not list, the built-in ones first.
pub(super) fn classes(
    config: &EngineConfig,
    engines: &BTreeMap<String, EngineDefinition>,
) -> Result<Classes, EngineConfigError> {
    let mut classes = Classes::new();
    for (class, members) in &config.classes {
        check_name("classes", class)?;
        if let Some(unknown) = members.iter().find(|name| !engines.contains_key(*name)) {
            let known: Vec<&str> = engines.keys().map(String::as_str).collect();
            let problem =
                format!("no engine is called {unknown:?}; known are {}", known.join(", "));
            return Err(EngineConfigError { key: format!("classes.{class}"), problem });
        }
        classes.insert(class.clone(), members.clone());
    }
    let put_there = |name: &str| config.engines.get(name).is_some_and(|e| e.class.is_some());
    let built_in = builtin::names();
    let copies = |base: &'static str| {
        let is_copy = move |change: &EngineChange| change.like.as_deref() == Some(base);
        let found = config.engines.iter().filter(move |(_, change)| is_copy(change));
        found.map(|(name, _)| name.as_str())
    };
    let stays = built_in.into_iter().flat_map(|name| iter::once(name).chain(copies(name)));
    let stays = stays.filter(|name| !put_there(name));
    let put = engines.keys().map(String::as_str).filter(|name| put_there(name));
    for name in stays.chain(put) {
        for class in &engines[name].class {
            if config.classes.contains_key(class) && !put_there(name) {
                continue;
            }
            let members = classes.entry(class.clone()).or_default();
            if !members.iter().any(|member| member == name) {
                members.push(name.to_owned());
            }
        }
    }
    Ok(classes)
}

/// Names become parts of variables, of capability tokens and of file names.
fn check_name(section: &str, name: &str) -> Result<(), EngineConfigError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    if starts && name.len() <= 64 && name.chars().all(plain) {
        return Ok(());
    }
    Err(EngineConfigError {
        key: format!("{section}.{}", name.escape_debug()),
        problem: "a name has up to 64 lower-case letters, digits and `-`, and begins with a letter"
            .to_owned(),
    })
}

fn error(engine: &str, key: &str, problem: String) -> EngineConfigError {
    EngineConfigError { key: format!("engines.{engine}.{key}"), problem }
}

fn one_or_many<'de, D: Deserializer<'de>>(source: D) -> Result<Option<Vec<String>>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name or a list of names")
        }

        fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
            Ok(vec![name.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(names))
        }
    }
    source.deserialize_any(OneOrMany).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{job, line, with_config};
    use crate::engine::{EngineInvocation, EngineRegistry};

    fn parse(yaml: &str) -> EngineConfig {
        serde_yaml::from_str(yaml).unwrap()
    }

    fn refused(yaml: &str) -> String {
        match serde_yaml::from_str::<EngineConfig>(yaml) {
            Ok(config) => EngineRegistry::new(&config, &|_| None).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// The worked example of the manual.
    fn example() -> EngineConfig {
        let manual = include_str!("../../../docs/adding-an-engine.md");
        parse(manual.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap())
    }

    #[test]
    fn config_adds_and_changes_engines() {
        let mut config = example();
        let model_args = Some(vec!["--model={model}".to_owned()]);
        let change = EngineChange { model_args, ..Default::default() };
        config.engines.insert("claude".to_owned(), change);
        let registry = with_config(&config);
        let coders = registry.candidates(None, "agentic-coder", &[]).unwrap();
        assert_eq!(coders, ["devin", "claude", "codex", "gemini", "opencode", "aider"]);
        assert_eq!(registry.candidates(None, "reviewer", &[]).unwrap(), ["gemini", "claude"]);
        let full = EngineInvocation { model: Some("big"), yolo: true, ..job() };
        let aider = registry.command("aider", &full).unwrap();
        assert_eq!(
            line(&aider.args),
            "--no-pretty --no-stream --no-check-update --message-file /scratch/aq-prompt \
             --yes-always --model big"
        );
        assert_eq!(aider.env_set, [("AIDER_ANALYTICS".into(), "false".into())]);
        let claude = registry.command("claude", &full).unwrap();
        assert_eq!(
            line(&claude.args),
            "-p --output-format stream-json --verbose --dangerously-skip-permissions --model=big"
        );
    }

    #[test]
    fn classes_are_as_config_lists_them() {
        let registry = with_config(&parse(
            "
engines:
  echo: {class: [talker, agentic-coder], output: exit-code}
  copilot: {class: agentic-coder}
classes:
  agentic-coder: [codex, claude]
  reviewer: [gemini]
",
        ));
        let members = |class: &str| registry.candidates(None, class, &[]).unwrap().join(" ");
        assert_eq!(members("agentic-coder"), "codex claude copilot echo");
        assert_eq!((members("reviewer"), members("talker")), ("gemini".into(), "echo".into()));
        assert!(registry.candidates(None, "chat-coder", &[]).is_err());
    }

    #[test]
    fn another_account_is_like_engine() {
        let config = parse(
            "
engines:
  claude-work: {like: claude, env: {CLAUDE_CONFIG_DIR: ~/.work, ANTHROPIC_API_KEY: '${KEY}'}}
  gemini-two: {like: gemini, class: second, bin: /bin/two}
",
        );
        let env = |name: &str| match name {
            "HOME" => Some("/h".into()),
            "CLAUDE_BIN" => Some("/bin/sh".into()),
            "KEY" => Some("secret".into()),
            _ => None,
        };
        let registry = EngineRegistry::new(&config, &env).unwrap();
        let members = |class: &str| registry.candidates(None, class, &[]).unwrap().join(" ");
        assert_eq!(members("agentic-coder"), "devin claude claude-work codex gemini opencode");
        assert_eq!(members("second"), "gemini-two");
        let command = registry.command("claude-work", &job()).unwrap();
        assert_eq!(command.args, registry.command("claude", &job()).unwrap().args);
        for (name, value) in [("CLAUDE_CONFIG_DIR", "/h/.work"), ("DISABLE_AUTOUPDATER", "1")] {
            assert!(command.env_set.contains(&(name.into(), value.into())), "{command:?}");
        }
        let key = registry.variable("claude-work", "ANTHROPIC_API_KEY", &env);
        assert_eq!(key, Some("secret".into()));
        let account = |name: &str| registry.account(name, &env).account;
        assert_eq!(account("claude"), "default");
        assert_ne!(account("claude-work"), "default");
        let login = registry.login_places("claude-work", &env).unwrap();
        assert_eq!(login.files, [std::path::PathBuf::from("/h/.work/.credentials.json")]);
        let binary = |name: &str| registry.binary(name).unwrap().map_err(|e| e.to_string());
        assert_eq!(binary("claude-work"), Ok("/bin/sh".into()), "that of its engine");
        assert!(binary("gemini-two").unwrap_err().contains("/bin/two"));
    }

    #[test]
    fn what_cannot_be_is_named_with_its_key() {
        for (yaml, want) in [
            (
                "engines: {x: {argv: ['{promt}']}}",
                "engines.x.argv: {promt} stands for nothing here",
            ),
            ("engines: {x: {argv: ['{prompt}']}}", "engines.x.argv: {prompt} stands for nothing"),
            (
                "engines: {x: {argv: ['a{args}']}}",
                "engines.x.argv: {args} must be a word of its own",
            ),
            ("engines: {x: {model-args: ['{session}']}}", "with this `prompt`: {model}"),
            ("engines: {x: {prompt: file}}", "engines.x.argv: no word holds {prompt_file}"),
            (
                "engines: {x: {output: xml}}",
                "engines.x.output: \"xml\" is none of text, exit-code, jsonl-",
            ),
            (
                "engines: {x: {like: cluade}}",
                "engines.x.like: \"cluade\" is no built-in engine (did you mean claude?); \
                known are devin, claude,",
            ),
            ("engines: {codex: {like: claude}}", "engines.codex.like: codex is a built-in engine"),
            ("engines: {x: {version: {say: a}}}", "unknown field"),
            ("engines: {X/y: {}}", "engines.X/y: a name has"),
            ("classes: {'a b': []}", "classes.a b: a name has"),
            (
                "classes: {c: [cluade]}",
                "classes.c: no engine is called \"cluade\"; known are claude,",
            ),
            ("engines: {x: {yolo_args: []}}", "unknown field"),
            ("engines: {x: {prompt: pipe}}", "unknown variant"),
            ("engines: {x: {class: 5}}", "a name or a list of names"),
            ("engines: {x: {argv: run}}", "sequence"),
        ] {
            let error = refused(yaml);
            assert!(error.contains(want), "{yaml}: {error}");
        }
    }
}
