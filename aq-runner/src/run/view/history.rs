//! The numbers of all jobs that have run: out of their records, and of those that `clean` has put
//! away out of what it kept.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use aq_ledger::RecordKey;
use aq_manifest::{JobId, Stage};
use jiff::Timestamp;

use crate::insights::JobNumbers;
use crate::store::{JobRecord, QueueDir, Result, SpentLine, spent};

use crate::run::view::job_view::JobView;

/// The numbers of every job that has left the inbox.
///
/// # Errors
/// When the queue's folders cannot be read.
pub fn history(queue: &QueueDir) -> Result<Vec<JobNumbers>> {
    let mut records = Vec::new();
    for stage in Stage::ALL.into_iter().filter(|&stage| stage != Stage::Inbox) {
        for id in queue.jobs(stage)? {
            records.push(JobRecord::read(queue, stage, id)?);
        }
    }
    let mut lines = spent(queue)?;
    if !lines.is_empty() {
        // One that was put back into the inbox in the middle of a `clean` is still open.
        let known: HashSet<&JobId> = lines.iter().map(|line| &line.id).collect();
        let mut open = queue.jobs(Stage::Inbox)?;
        open.retain(|id| known.contains(id));
        let open = open.into_iter().map(|id| JobRecord::read(queue, Stage::Inbox, id));
        let open: Vec<JobRecord> = open.collect::<Result<_>>()?;
        give_way(&mut lines, records.iter().chain(&open));
    }
    Ok(records.iter().filter_map(of_record).chain(lines.iter().map(of_line)).collect())
}

/// The numbers of the jobs that have ended since a time, and of those that wait for a person since
/// then. `live` are the jobs that have not ended.
///
/// # Errors
/// When the queue's folders cannot be read.
pub fn recent_numbers(
    queue: &QueueDir,
    live: &[JobView],
    since: Timestamp,
) -> Result<Vec<JobNumbers>> {
    let mut ended = Vec::new();
    let changed_since = |id: &JobId| {
        let changed = queue.meta(id).metadata().and_then(|about| about.modified());
        changed.is_ok_and(|changed| changed >= SystemTime::from(since))
    };
    for stage in Stage::ALL.into_iter().filter(|stage| stage.is_final()) {
        for id in queue.jobs(stage)?.into_iter().filter(changed_since) {
            ended.push(JobRecord::read(queue, stage, id)?);
        }
    }
    // Nothing in it ended after its last change.
    let mut lines = match queue.state().join("spent").metadata().and_then(|file| file.modified()) {
        Ok(changed) if changed + Duration::from_secs(60) >= SystemTime::from(since) => {
            spent(queue)?
        }
        _ => Vec::new(),
    };
    // A look may have left out jobs that wait.
    let is_live = |line: &SpentLine| live.iter().any(|job| job.record.id == line.id);
    lines.retain(|line| of_line(line).ended_at.is_some_and(|ended| ended >= since));
    for line in lines.iter().filter(|line| queue.has(Stage::Inbox, &line.id) && !is_live(line)) {
        ended.push(JobRecord::read(queue, Stage::Inbox, line.id.clone())?);
    }
    let records = || live.iter().map(|job| &job.record).chain(&ended);
    give_way(&mut lines, records());
    let all = records().filter_map(of_record).chain(lines.iter().map(of_line));
    let is_recent = |job: &JobNumbers| {
        JobNumbers::counts_in(job.stage) && job.ended_at.is_some_and(|ended| ended >= since)
    };
    Ok(all.filter(is_recent).collect())
}

/// Leaves out the lines whose record is still there.
fn give_way<'a>(lines: &mut Vec<SpentLine>, records: impl Iterator<Item = &'a JobRecord>) {
    if lines.is_empty() {
        return;
    }
    for record in records {
        if record.meta.get(RecordKey::SpentAt).is_some() {
            lines.retain(|line| !line.is_of(&record.id, &record.meta));
        }
    }
}

/// The numbers of one job.
///
/// # Errors
/// When there is no such job, or its record cannot be read.
pub fn job_numbers(queue: &QueueDir, id: &JobId) -> Result<JobNumbers> {
    let record = JobRecord::read(queue, queue.expect(id)?, id.clone())?;
    let put_away = || Ok(spent(queue)?.iter().rfind(|line| line.id == *id).map(of_line));
    Ok(match of_record(&record) {
        Some(numbers) => numbers,
        None => put_away()?.unwrap_or_else(|| JobNumbers::read(id.clone(), record.stage, |_| None)),
    })
}

/// The numbers of a record; `None` when nothing is recorded.
pub(crate) fn of_record(record: &JobRecord) -> Option<JobNumbers> {
    let meta = &record.meta;
    let numbers = || JobNumbers::read(record.id.clone(), record.stage, |key| meta.get(key));
    (!meta.is_empty()).then(numbers)
}

pub(crate) fn of_line(line: &SpentLine) -> JobNumbers {
    JobNumbers::read(line.id.clone(), line.stage, |key| line.get(key))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::insights::{QueueInsights, insights};
    use crate::run::{ProcessEnvironment, QueueOverview, QueueSettings, overview};
    use crate::store::testing::{TestQueue, id};
    use crate::store::{CleanChoice, clean};

    const STAGES: [Stage; 6] = [
        Stage::Shipped,
        Stage::Failed,
        Stage::Quarantine,
        Stage::Review,
        Stage::Testing,
        Stage::Inbox,
    ];

    fn look(queue: &TestQueue) -> QueueOverview {
        let settings = QueueSettings::load(queue, ProcessEnvironment::default()).unwrap();
        overview(queue, &settings, usize::MAX, Timestamp::now()).unwrap()
    }

    /// The same sums as a person is shown them in three places: everything, cards, the last hours.
    fn sums(queue: &TestQueue, since: Timestamp) -> (QueueInsights, f64, QueueInsights) {
        let look = look(queue);
        let ended = look.jobs.iter().chain(&look.ended);
        let cards = ended.filter(|job| JobNumbers::counts_in(job.record.stage));
        let cards = cards.filter_map(super::JobView::cost_usd);
        let all = insights(history(queue).unwrap(), None);
        let recent = insights(recent_numbers(queue, &look.jobs, since).unwrap(), None);
        (all, cards.sum(), recent)
    }

    fn is_near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-6
    }

    fn record(queue: &TestQueue, name: &str, lines: &str) {
        let path = queue.meta(&id(name));
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + lines).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn clean_takes_no_number_away(
            jobs in prop::collection::vec((0..6_usize, 1..4_u32, 0..5_000_u32, 0..60_i64), 1..12),
            keep in 0..6_usize,
        ) {
            let queue = TestQueue::new();
            let now = Timestamp::now();
            for (n, (stage, attempts, cents, hours)) in jobs.iter().enumerate() {
                let name = format!("j{n}");
                queue.place(&name, STAGES[*stage], "x");
                let ended = now - SignedDuration::from_hours(*hours);
                let (cost, engine) = (f64::from(*cents) / 100.0, ["x", "y z,\"\\"][n % 2]);
                record(&queue, &name, &format!(
                    "attempts={attempts}\nended_at={ended}\nengine={engine}\nprofile=p{}\n\
                     cost_usd=0.01\ntotal_cost_usd={cost}\ntotal_input_tokens={cents}\n\
                     total_duration_s=1.5\n", n % 3,
                ));
            }
            let since = now - SignedDuration::from_hours(24);
            let before = sums(&queue, since);
            prop_assert!(is_near(before.0.all.cost_usd.unwrap_or(0.0), before.1));
            for _ in 0..2 {
                clean(&queue, CleanChoice::AllBut(keep), now, &mut |_, _| {}).unwrap();
                let after = sums(&queue, since);
                prop_assert_eq!(&after.0, &before.0);
                prop_assert!(is_near(after.1, before.1));
                prop_assert_eq!(&after.2, &before.2);
            }
        }
    }

    #[test]
    fn jobs_that_run_again_count_twice() {
        let queue = TestQueue::new();
        queue.place("a", Stage::Failed, "x");
        let lines = "attempts=1\nended_at=2026-01-01T00:00:00Z\ntotal_cost_usd=1\n";
        record(&queue, "a", lines);
        let now = Timestamp::now();
        clean(&queue, CleanChoice::AllBut(0), now, &mut |_, _| {}).unwrap();
        queue.place("a", Stage::Failed, "x");
        record(&queue, "a", lines);
        let cost = || insights(history(&queue).unwrap(), None).all.cost_usd;
        assert_eq!(cost(), Some(2.0));
        assert_eq!(job_numbers(&queue, &id("a")).unwrap().cost_usd, Some(1.0));
        clean(&queue, CleanChoice::AllBut(0), now + SignedDuration::from_secs(1), &mut |_, _| {})
            .unwrap();
        assert_eq!(cost(), Some(2.0));
        assert_eq!(job_numbers(&queue, &id("a")).unwrap().attempts, 1);
    }

    #[test]
    fn record_wins_over_its_line() {
        let queue = TestQueue::new();
        queue.place("a", Stage::Failed, "x");
        record(&queue, "a", "attempts=1\ntotal_cost_usd=1\n");
        let archive = clean(&queue, CleanChoice::AllBut(0), Timestamp::now(), &mut |_, _| {})
            .unwrap()
            .archive
            .unwrap();
        // As when the record had not gone yet, and a person puts the job back.
        std::fs::rename(archive.join("a.meta"), queue.meta(&id("a"))).unwrap();
        let count = || history(&queue).unwrap().len();
        assert_eq!(count(), 1);
        queue.shift("a", Stage::Failed, Stage::Inbox);
        assert_eq!(count(), 0, "what it comes to is open again");
    }
}
