//! Programs that replace the engines of vendors: they print the records that those print.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::sandbox::Sandbox;

/// The first record of a run of `claude`.
pub(crate) fn begins(session: &str) -> String {
    record(&format!(
        r#"{{"type":"system","subtype":"init","session_id":"{session}","model":"big","tools":[]}}"#
    ))
}

/// A message of the model, with the tokens that it has read.
pub(crate) fn says(message: u32, text: &str, tokens: u32) -> String {
    record(&format!(
        "{{\"type\":\"assistant\",\"message\":{{\"id\":\"m{message}\",\"model\":\"big\",\
        \"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}],\
        \"usage\":{{\"input_tokens\":{tokens},\"output_tokens\":1}}}},\
        \"parent_tool_use_id\":null}}"
    ))
}

/// The last record of a run that went well; `more` are further keys of it.
pub(crate) fn done(more: &str) -> String {
    record(&format!(
        "{{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"num_turns\":1,\
        \"result\":\"done\",\"total_cost_usd\":0.5,\"usage\":{{\"input_tokens\":10,\
        \"output_tokens\":2}}{more}}}"
    ))
}

/// The end of a run that the vendor refused, with its status and its words. They may hold what a
/// shell replaces.
pub(crate) fn refused(status: &str, kind: &str, text: &str) -> String {
    let message = format!(
        "{{\"type\":\"assistant\",\"message\":{{\"id\":\"m0\",\"model\":\"<synthetic>\",\
        \"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}},\"parent_tool_use_id\":null,\
        \"error\":\"{kind}\"}}"
    );
    let result = format!(
        "{{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":true,\
        \"api_error_status\":{status},\"num_turns\":1,\"result\":\"{text}\"}}"
    );
    format!("{}{}exit 1\n", record(&message), record(&result))
}

/// The end of a run of `claude` that met the account's limit, which ends in so many seconds.
pub(crate) fn limited(seconds: u32) -> String {
    refused(
        "429",
        "rate_limit",
        &format!("Claude AI usage limit reached|$(($(date +%s) + {seconds}))"),
    )
}

/// A record of `claude` that waits so long before it asks its vendor again.
pub(crate) fn retries(status: &str, kind: &str, delay_ms: u32) -> String {
    record(&format!(
        "{{\"type\":\"system\",\"subtype\":\"api_retry\",\"attempt\":1,\"max_retries\":300,\
        \"retry_delay_ms\":{delay_ms},\"error_status\":{status},\"error\":\"{kind}\"}}"
    ))
}

/// A record of `claude` with what it does in the background.
pub(crate) fn background(tasks: &str) -> String {
    record(&format!(
        r#"{{"type":"system","subtype":"background_tasks_changed","tasks":[{tasks}]}}"#
    ))
}

/// A record of `claude` that the account's limit was met, for so many seconds.
pub(crate) fn rejected(seconds: u32) -> String {
    record(&format!(
        "{{\"type\":\"rate_limit_event\",\"rate_limit_info\":{{\"status\":\"rejected\",\
        \"resetsAt\":$(($(date +%s) + {seconds})),\"rateLimitType\":\"five_hour\"}}}}"
    ))
}

/// A whole run of `codex` that goes well.
pub(crate) const CODEX_DONE: &str = r#"
echo '{"type":"thread.started","thread_id":"01a2"}'
echo '{"type":"turn.started"}'
echo '{"type":"turn.completed","usage":{"input_tokens":7,"output_tokens":2}}'
"#;

/// A command that prints a record.
fn record(json: &str) -> String {
    format!("cat <<END\n{json}\nEND\n")
}

impl Sandbox {
    /// Makes an engine that does one of `acts`, shell scripts, in each run: the first in its first,
    /// and so on; the last one again and again.
    pub(crate) fn vendor(&mut self, engine: &str, acts: &[String]) {
        let dir = self.path(engine);
        fs::create_dir_all(&dir).unwrap();
        for (n, act) in acts.iter().enumerate() {
            fs::write(dir.join(format!("act-{}", n + 1)), act).unwrap();
        }
        let (at, last) = (dir.display(), acts.len());
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo 9.9.9 && exit 0\ncat >{at}/in.$$\n\
             exec 9>{at}/lock; flock 9; echo \"$AQ_JOB_ID $*\" >>{at}/runs\n\
             n=$(wc -l <{at}/runs); exec 9>&-; mv {at}/in.$$ {at}/prompt-$n\n\
             [ $n -lt {last} ] || n={last}\n. {at}/act-$n\n"
        );
        let program = dir.join("program");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self.set(&format!("{}_BIN", engine.to_uppercase()), program);
    }

    /// The runs of such an engine: the job, and the arguments that the engine got.
    pub(crate) fn vendor_runs(&self, engine: &str) -> Vec<String> {
        let runs = fs::read_to_string(self.path(engine).join("runs")).unwrap_or_default();
        runs.lines().map(str::to_owned).collect()
    }

    /// Standard input of such an engine in its run of this number, from 1.
    pub(crate) fn vendor_prompt(&self, engine: &str, run: usize) -> String {
        let path = self.path(engine).join(format!("prompt-{run}"));
        fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Adds a job for agents, in no lock.
    pub(crate) fn add_for(&self, name: &str, front: &str, prompt: &str) {
        let path = self.path(&format!("{name}.md"));
        fs::write(&path, format!("---\nlock: none\n{front}\n---\n{prompt}\n")).unwrap();
        self.ok(&["add".as_ref(), path.as_os_str()]);
    }
}
