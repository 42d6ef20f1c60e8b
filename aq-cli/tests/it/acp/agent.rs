//! A scripted agent of the Agent Client Protocol.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::sandbox::Sandbox;

/// Shell functions of every agent, and its loop. `$id` is the number of the call that is answered.
const LOOP: &str = r#"
say() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
reply() { say "\"id\":$id,\"result\":$1"; }
refuse() { say "\"id\":$id,\"error\":$1"; }
update() { say "\"method\":\"session/update\",\"params\":{\"sessionId\":\"s1\",\"update\":$1}"; }
words() {
  content="{\"type\":\"text\",\"text\":\"$1\"}"
  update "{\"sessionUpdate\":\"agent_message_chunk\",\"content\":$content}"
}
tool() {
  call="\"toolCallId\":\"$1\",\"title\":\"sh\",\"status\":\"$2\""
  update "{\"sessionUpdate\":\"tool_call\",$call}"
}
ask() {
  options='[{"optionId":"yes","kind":"allow_once"},{"optionId":"no","kind":"reject_once"}]'
  params='{"options":'$options',"toolCall":{"toolCallId":"t","title":"make w","status":"pending"}}'
  say "\"id\":\"q\",\"method\":\"session/request_permission\",\"params\":$params"
}
finish() { id=$prompt; reply "{\"stopReason\":\"end_turn\"$1}"; }
echo "$$ $*" >>"$here/runs"
while IFS= read -r line; do
  printf '%s\n' "$line" >>"$here/heard"
  id=${line#*\"id\":}; id=${id%%,*}
  case $line in
    *'"method":"initialize"'*) on_initialize ;;
    *'"method":"session/new"'*) on_new ;;
    *'"method":"session/load"'*) on_load ;;
    *'"method":"session/prompt"'*) prompt=$id; on_prompt ;;
    *'"method":"session/cancel"'*) on_cancel ;;
    *'"outcome"'*) on_answer ;;
  esac
done
on_end
"#;

/// The behaviour of an agent where its test says nothing else.
const DEFAULTS: [(&str, &str); 7] = [
    (
        "initialize",
        concat!(
            r#"reply '{"protocolVersion":1,"agentCapabilities":{"loadSession":true},"#,
            r#""agentInfo":{"name":"Fake","version":"1"}}'"#,
        ),
    ),
    ("new", r#"reply '{"sessionId":"s1"}'"#),
    ("load", "words old; reply '{}'"),
    ("prompt", "words done; finish"),
    ("cancel", ":"),
    ("answer", ":"),
    ("end", ":"),
];

/// An agent in a directory of its own, where it keeps what it heard.
#[derive(Debug)]
pub(crate) struct FakeAgent {
    dir: PathBuf,
}

impl FakeAgent {
    /// Makes an agent that does these things, shell commands, at its events.
    pub(crate) fn new(dir: &Path, acts: &[(&str, &str)]) -> Self {
        fs::create_dir_all(dir).unwrap();
        let mut script = format!("#!/bin/sh\nhere={}\n", dir.display());
        for (event, act) in DEFAULTS.iter().chain(acts) {
            script.push_str(&format!("on_{event}() {{\n{act}\n}}\n"));
        }
        script.push_str(LOOP);
        let program = dir.join("program");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { dir: dir.to_owned() }
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.dir.join("program")
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The arguments of each run, after its process.
    pub(crate) fn runs(&self) -> Vec<String> {
        self.lines("runs")
    }

    /// The calls that it heard, by method, and the answers that it got.
    pub(crate) fn heard(&self, part: &str) -> Vec<String> {
        self.lines("heard").into_iter().filter(|line| line.contains(part)).collect()
    }
}

impl Sandbox {
    /// Adds agents to config, each with the argument `--acp`.
    pub(crate) fn acp_engines(&self, engines: &[(&str, &FakeAgent)]) {
        let mut config = "kill-grace: 2s\nengines:\n".to_owned();
        for (name, agent) in engines {
            let program = agent.program();
            config.push_str(&format!(
                "  {name}: {{protocol: acp, bin: {}, argv: [--acp], yolo-args: [--all]}}\n",
                program.display()
            ));
        }
        fs::write(self.queue("config.yaml"), config).unwrap();
    }

    /// The adapter itself, in front of an agent, with a prompt to come on its standard input.
    pub(crate) fn adapter(&self, options: &[&str], agent: &FakeAgent) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aq"));
        let command = self.clean(&mut command).arg("acp").args(options).arg("--");
        let command = command.arg(agent.program()).stderr(Stdio::null());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    }
}
