//! Runs that nobody ends, and connections that break.

use std::fs;

use nix::unistd::Pid;

use crate::model_server::Answer;
use crate::sandbox::is_alive;

use super::lab::{Lab, MAKE, NO_NUMBERS, wait_patiently};
use super::program::Engine;
use super::report::Report;

/// The model does not answer, and a process of a tool has left the agent's session.
pub(super) fn hang(lab: &mut Lab, report: &mut Report) {
    let pid = lab.sandbox.path("pid");
    // In a session of its own, with nothing of the agent's but its environment.
    let command = format!(
        "setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 3001' >/dev/null 2>&1 & \
         while ! test -e {0}; do sleep 0.01; done",
        pid.display()
    );
    lab.server.will([Answer::Run(command), Answer::Hang]);
    lab.add(&format!("timeout: {}\n", lab.engine.limit()));
    let mut running = lab.sandbox.start_loop(&["--once"]);
    lab.wait("the call that hangs", || lab.server.calls().len() == 2);
    let pid = Pid::from_raw(fs::read_to_string(pid).unwrap().trim().parse().unwrap());
    let agents = lab.sandbox.agents();
    assert!(agents.contains(&pid) && agents.len() > 1, "{pid} is not among {agents:?}");
    // The tool may have read a profile of this machine.
    let engine: Vec<Pid> = agents.iter().copied().filter(|&agent| agent != pid).collect();
    lab.assert_enclosed(&engine);
    is_ended(lab, report, wait_patiently(&mut running), agents);
    expect_calls(lab, report, 1);
}

/// The model begins to answer.
pub(super) fn hang_midway(lab: &mut Lab, report: &mut Report) {
    lab.server.always(Answer::HangMidway);
    lab.add(&format!("timeout: {}\n", lab.engine.limit()));
    let mut running = lab.sandbox.start_loop(&["--once"]);
    lab.wait("the call that hangs", || !lab.server.calls().is_empty());
    let agents = lab.sandbox.agents();
    is_ended(lab, report, wait_patiently(&mut running), agents);
}

/// A tool does not come back.
pub(super) fn tool_that_hangs(lab: &mut Lab, report: &mut Report) {
    let pid = lab.sandbox.path("pid");
    let command = format!("echo $$ > {}; exec tail -f /dev/null", pid.display());
    lab.server.will([Answer::Run(command)]);
    lab.server.always(Answer::Hang);
    lab.add(&format!("timeout: {}\n", lab.engine.limit()));
    let mut running = lab.sandbox.start_loop(&["--once"]);
    lab.wait("the tool", || fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n')));
    let agents = lab.sandbox.agents();
    is_ended(lab, report, wait_patiently(&mut running), agents);
    // These write down what a call has used when its tools are back.
    let is_late = matches!(lab.engine, Engine::Opencode | Engine::Kilo);
    expect_calls(lab, report, usize::from(!is_late));
}

/// A person stops the loop and its jobs in the middle of an answer. The agent ends its turn and
/// keeps the session, with which the next loop goes on.
pub(super) fn cancel(lab: &mut Lab, report: &mut Report) {
    lab.server.will([Answer::Run("echo token-4711".to_owned()), Answer::HangMidway]);
    lab.add("");
    let mut running = lab.sandbox.start_loop(&[]);
    lab.wait("the call that hangs", || lab.server.calls().len() == 2);
    let agents = lab.sandbox.agents();
    lab.sandbox.ok(&["stop", "--all"]);
    report.expect("exit code", 0, wait_patiently(&mut running));
    report.show("job", "inbox, attempts 1", lab.state());
    let is_cancelled = lab.sandbox.log("a").contains(r#""stop_reason":"cancelled""#);
    report.expect("turn", "cancelled", if is_cancelled { "cancelled" } else { "killed" });
    expect_none_left(lab, report, agents);
    let session = lab.meta("session_id");

    lab.server.will([Answer::Run(MAKE.to_owned()), Answer::Say("done")]);
    lab.run();
    report.show("again", "testing", lab.sandbox.folders("a").join("+"));
    let knows = lab.server.calls()[2..].iter().all(|call| call.to_string().contains("token-4711"));
    let seen = match (session == lab.meta("session_id"), knows) {
        (true, true) => "same session",
        (true, false) => "a session without its turn",
        (false, _) => "new session",
    };
    report.show("session", "same session", seen);
    lab.expect_no_surprise(report);
}

fn is_ended(lab: &Lab, report: &mut Report, code: i32, agents: Vec<Pid>) {
    report.expect("exit code", 1, code);
    report.show("job", "failed, timeout, attempts 1", lab.state());
    expect_none_left(lab, report, agents);
    lab.expect_no_surprise(report);
}

/// Neither the agent nor what it has started.
fn expect_none_left(lab: &Lab, report: &mut Report, agents: Vec<Pid>) {
    let left = agents.into_iter().chain(lab.sandbox.agents()).filter(|&pid| is_alive(pid)).count();
    report.show("left", "0 processes left", format!("{left} processes left"));
}

/// It never came to a final event, and so many calls were answered.
fn expect_calls(lab: &Lab, report: &mut Report, calls: usize) {
    let calls = if lab.engine.counts_when_killed() { calls } else { 0 };
    report.show("tokens", lab.true_tokens(calls), lab.tokens(""));
}

/// Every answer breaks off after its first words.
pub(super) fn cut(lab: &mut Lab, report: &mut Report) {
    breaks(lab, report, Answer::Cut);
}

/// The connection ends before every answer.
pub(super) fn hang_up(lab: &mut Lab, report: &mut Report) {
    breaks(lab, report, Answer::HangUp);
}

fn breaks(lab: &Lab, report: &mut Report, answer: Answer) {
    lab.server.always(answer.clone());
    lab.add(&format!("timeout: {}\n", lab.engine.limit_of_tries()));
    lab.run();
    let wanted = match (lab.engine, answer) {
        // Its next try is without streaming, and whole.
        (Engine::Claude, Answer::Cut) => "testing, success, attempts 1",
        // They take what came for all, and nothing shows that it was not.
        (Engine::KimiCode | Engine::Droid, Answer::Cut) => "testing, success, attempts 1",
        // They try again without an end, in silence.
        (Engine::Opencode | Engine::Vibe, Answer::Cut)
        | (Engine::Qwen | Engine::Vibe | Engine::Kilo, Answer::HangUp) => {
            "failed, timeout, attempts 1"
        }
        (Engine::Kilo, Answer::Cut) => "failed, unknown, attempts 1",
        _ => "failed, network, attempts 1",
    };
    report.show("job", wanted, lab.state());
    if wanted.starts_with("failed") {
        report.show("tokens", NO_NUMBERS, lab.tokens(""));
    }
}
