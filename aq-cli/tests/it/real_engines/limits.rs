//! Vendors that answer with an error instead of the model.

use jiff::{SignedDuration, Timestamp};

use crate::model_server::{Answer, Fault};

use super::lab::{Lab, MAKE, NO_NUMBERS};
use super::program::Engine;
use super::report::Report;

pub(super) fn wrong_key(lab: &mut Lab, report: &mut Report) {
    lab.server.always(Answer::Fail(Fault::WrongKey));
    lab.add(&format!("timeout: {}\n", lab.engine.limit_of_tries()));
    report.expect("it leaves a job", 1, lab.run());
    report.show("job", "inbox, auth, attempts 0", lab.state());
    report.expect("engine", "out_of_use", lab.resting().0);
    report.expect("numbers", NO_NUMBERS, lab.tokens(""));
    let engines = lab.sandbox.ok(&["engines"]);
    assert!(engines.contains(&format!("`aq engines --retry {}`", lab.engine.name())), "{engines}");
    // Nobody asks again by himself.
    let calls = lab.server.calls().len();
    assert_eq!(lab.run(), 1);
    report.expect("calls", calls, lab.server.calls().len());

    lab.retry();
    lab.expect_mended(report, || lab.run());
}

pub(super) fn too_many_requests(lab: &mut Lab, report: &mut Report) {
    rests_for_a_minute(lab, report, Fault::TooMany { retry_after_s: 2 }, "quota");
}

/// The program waits in its slot for as long as the vendor asks for.
pub(super) fn long_wait(lab: &mut Lab, report: &mut Report) {
    rests_for_a_minute(lab, report, Fault::TooMany { retry_after_s: 300 }, "quota");
}

pub(super) fn no_credit(lab: &mut Lab, report: &mut Report) {
    rests_for_a_minute(lab, report, Fault::NoCredit, "quota");
}

pub(super) fn broken_service(lab: &mut Lab, report: &mut Report) {
    rests_for_a_minute(lab, report, Fault::Broken, "capacity");
}

pub(super) fn overloaded(lab: &mut Lab, report: &mut Report) {
    rests_for_a_minute(lab, report, Fault::Overloaded, "capacity");
}

/// Nobody names the end of the limit, or the program keeps it to itself.
fn rests_for_a_minute(lab: &Lab, report: &mut Report, fault: Fault, class: &str) {
    let added = Timestamp::now();
    let until = lab.meets_a_limit(report, fault, class);
    if lab.engine.tries_in_silence(fault) {
        return;
    }
    let (now, minute) = (Timestamp::now(), SignedDuration::from_mins(1));
    let seen = match until {
        Some(until) if (added + minute..now + minute).contains(&until) => "rests 1 min",
        Some(until) if (added..added + minute).contains(&until) => "rests as asked",
        _ => "rests for another time",
    };
    // Some programs pass on how long the vendor asks them to wait.
    let is_asked = seen == "rests as asked" && matches!(fault, Fault::TooMany { .. });
    report.show("rest", if is_asked { seen } else { "rests 1 min" }, seen);
}

/// A plan's limit, with its end.
pub(super) fn used_up(lab: &mut Lab, report: &mut Report) {
    if lab.engine == Engine::Claude {
        // It looks at a plan's limits only when it works with a plan, and not with a key.
        lab.sandbox.set("ANTHROPIC_API_KEY", "");
        lab.sandbox.set("CLAUDE_CODE_OAUTH_TOKEN", "test-token");
    }
    if !lab.engine.has_plans() {
        return no_credit(lab, report);
    }
    // They say it to the minute.
    let reset = (Timestamp::now().as_second() / 60 + 90) * 60;
    let until = lab.meets_a_limit(report, Fault::UsedUp { until: reset }, "quota");
    let late = until.map_or(-1, |until| until.as_second() - reset);
    let seen = match late {
        0 => "rests until the reset".to_owned(),
        late => format!("rests until {late} s beside the reset"),
    };
    report.show("rest", "rests until the reset", seen);
}

/// The session is too long for the model: the next attempt begins a new one.
pub(super) fn context_overflow(lab: &mut Lab, report: &mut Report) {
    lab.server.always(Answer::Fail(Fault::TooLong));
    lab.add("");
    lab.run();
    report.show("job", "failed, context_overflow, attempts 1", lab.state());
    let session = lab.meta("session_id");
    lab.server.always(None);
    lab.server.will([Answer::Run(MAKE.to_owned()), Answer::Say("done")]);
    lab.sandbox.ok(&["requeue", "a"]);
    lab.run();
    report.show("again", "testing", lab.sandbox.folders("a").join("+"));
    let is_new = session.is_empty() || session != lab.meta("session_id");
    report.show("session", "a new session", if is_new { "a new session" } else { "the same" });
    lab.expect_no_surprise(report);
}
