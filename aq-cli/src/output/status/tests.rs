use std::collections::BTreeMap;
use std::time::Duration;

use aq_ledger::{KeyName, RecordContent, RecordKey};
use aq_runner::run::{RunLoop, WorkProblem};
use aq_runner::store::JobRecord;
use aq_scheduler::WaitReason;

use super::*;

const NOW: &str = "2026-01-31T12:00:00Z";

/// A name of 64 letters, whose beginning and end distinguish it from others.
fn long_name(n: usize) -> String {
    format!("{n:02}-{}-{n:02}", "refactor-the-module-of-".repeat(3).get(..58).unwrap())
}

fn job(name: &str, stage: Stage, activity: JobActivity, record: &str) -> JobView {
    let meta = format!("added_at=2026-01-31T11:00:00Z\nended_at=2026-01-31T11:30:00Z\n{record}");
    let id = name.parse().unwrap();
    let record = JobRecord { id, stage, meta: RecordContent::parse(&meta) };
    let (tracker, work_problem, numbers) = (None, None, None);
    JobView { record, activity, tracker, work_problem, has_log: true, numbers }
}

fn waits(n: usize, reason: WaitReason) -> JobView {
    let record = "priority=medium\nprofile=careful\nengine_wanted=claude\nretry_max=3\n";
    job(&long_name(n), Stage::Inbox, JobActivity::Waiting(Some(reason)), record)
}

/// Thirty jobs of mixed results.
fn busy() -> QueueOverview {
    let now: Timestamp = NOW.parse().unwrap();
    let running = |stalled| JobActivity::Running {
        since: Some(now - jiff::SignedDuration::from_mins(7)),
        stalled,
        verifying: false,
    };
    let record = "priority=high\nprofile=p\nengine=claude\nattempts=1\nretry_max=2\n";
    let mut jobs = vec![
        job(&long_name(1), Stage::Building, running(None), record),
        job(&long_name(2), Stage::Building, running(Some(Duration::from_secs(900))), record),
        waits(3, WaitReason::Behind { job: long_name(1).parse().unwrap() }),
    ];
    jobs.extend((4..20).map(|n| waits(n, WaitReason::NoSlot { n: 1 })));
    jobs.push(job(&long_name(20), Stage::Review, JobActivity::Resting, record));
    let verified = format!("{record}verified=1\nverified_at={NOW}\n");
    jobs.push(job(&long_name(21), Stage::Testing, JobActivity::Resting, &verified));
    let unverified = format!("{record}verified=0\nverified_at={NOW}\n");
    jobs.push(job(&long_name(22), Stage::Testing, JobActivity::Resting, &unverified));
    let mut gone = job("moved-away", Stage::Testing, JobActivity::Resting, &verified);
    let (dir, branch) = ("/home/you/aq-work/p/work/moved-away".into(), "aq/wip/moved-away".into());
    gone.work_problem = Some(WorkProblem::CheckoutGone { dir, branch });
    jobs.push(gone);
    let hostile = "result=crash\nmessage=\u{1b}[31mred\u{1b}]0;title\u{7} \u{202e}日本語\\nverify \
                   exited with 101 after it had printed a long line that has no end to speak of\n";
    let ended = [
        job(&long_name(23), Stage::Failed, JobActivity::Resting, hostile),
        job("short", Stage::Failed, JobActivity::Resting, "result=timeout\nmessage=timed out\n"),
        job(&long_name(25), Stage::Shipped, JobActivity::Resting, &verified),
        job(&long_name(26), Stage::Shipped, JobActivity::Resting, &unverified),
        job("put-away", Stage::Shipped, JobActivity::Resting, &verified),
    ];
    let counts = jobs.iter().chain(&ended).fold(BTreeMap::new(), |mut counts, job| {
        *counts.entry(job.record.stage).or_insert(0) += 1;
        counts
    });
    let until = now + jiff::SignedDuration::from_hours(50);
    QueueOverview {
        queue: "/home/you/aq-work/a-project-with-a-name-1f2e3d4c".into(),
        now,
        run_loop: Some(RunLoop {
            pid: 4711,
            started_at: None,
            max: 2,
            max_review: None,
            ships: false,
        }),
        jobs,
        unlisted: 0,
        ended: ended.into(),
        resting: vec![("codex".to_owned(), EngineState::CoolingDown { until })],
        counts,
        strangers: vec!["my job.md".to_owned()],
        is_untrusted: false,
        fleet: None,
    }
}

fn numbers() -> Vec<JobNumbers> {
    let job = |name: &str, stage| {
        let meta = [("attempts", "1"), ("total_duration_s", "90"), ("total_cost_usd", "602.25")];
        let get =
            |key: RecordKey| meta.iter().find(|(name, _)| *name == key.text()).map(|pair| pair.1);
        JobNumbers::read(name.parse().unwrap(), stage, get)
    };
    vec![job("a", Stage::Shipped), job("b", Stage::Failed)]
}

fn plain_lines(text: &str) -> String {
    let text = strip_str(text).to_string();
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    // Local times differ from machine to machine.
    let Some((before, after)) = text.split_once("until ") else { return text };
    let line = after.lines().next().unwrap_or_default();
    format!("{before}until TIME{}", &after[line.len()..])
}

fn is_within(text: &str, size: TerminalSize) {
    for line in text.lines() {
        assert!(line.width() <= size.width, "{} columns: {line:?}", line.width());
    }
    assert!(text.lines().count() <= size.height, "{} lines:\n{text}", text.lines().count());
}

#[test]
fn status_fits_its_width() {
    for width in [60, 80, 120] {
        let shown = status(&busy(), &numbers(), usize::MAX, Some(width));
        let shown = plain_lines(&shown);
        insta::assert_snapshot!(format!("status_{width}"), shown);
        let table: Vec<&str> = shown.lines().take_while(|line| !line.starts_with("last")).collect();
        is_within(&table.join("\n"), TerminalSize { width, height: usize::MAX });
    }
}

#[test]
fn watch_shows_what_matters_first() {
    for width in [60, 80, 120] {
        let size = TerminalSize { width, height: 24 };
        let shown = plain_lines(&watch(&busy(), &numbers(), &[], size));
        is_within(&shown, size);
        insta::assert_snapshot!(format!("watch_{width}"), shown);
    }
}

#[test]
fn watch_fits_every_terminal() {
    for width in [20, 40, 300] {
        for height in [1, 5, 10, 200] {
            let above = ["the queue is not trusted: and more words than fit".to_owned()];
            let shown = watch(&busy(), &numbers(), &above, TerminalSize { width, height });
            is_within(&strip_str(&shown).to_string(), TerminalSize { width, height });
        }
    }
}

#[test]
fn nothing_is_cut_in_pipe() {
    let shown = plain_lines(&status(&busy(), &[], usize::MAX, None));
    for name in [long_name(1), long_name(26)] {
        assert!(shown.contains(&name), "{shown}");
    }
    assert!(shown.contains("that has no end to speak of") && !shown.contains('…'), "{shown}");
}

#[test]
fn unverified_work_that_ships_is_marked() {
    let marked = |ships| {
        let mut overview = busy();
        overview.run_loop.as_mut().unwrap().ships = ships;
        let shown = status(&overview, &[], usize::MAX, None);
        let attention = paint(style::ATTENTION, "not verified; the loop ships it unasked");
        (shown.contains(&attention), shown.contains("not verified; `aq ship` accepts it"))
    };
    assert_eq!((marked(true), marked(false)), ((true, false), (false, true)));
}
