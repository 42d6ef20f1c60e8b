//! Jobs that their host cannot run for want of something.

use aq_manifest::Stage;
use aq_scheduler::{HostLack, HostResource};
use jiff::{SignedDuration, Timestamp};

use super::{JobStep, RecordCheck, StepName, StepRefusal, StepWrites};
use crate::{JobRow, RecordContent, RecordKey, RecordUpdate, WORKER_KEYS};

/// The code of an engine that went away between the plan and the start.
pub const ENGINE_LACK: &str = "engine";

/// The code of a program that is not there.
const PROGRAM_LACK: &str = "program";

/// The first pause, in seconds; each further one is twice as long.
const FIRST_PAUSE: i64 = 2;

/// The longest pause, in seconds.
const LONGEST_PAUSE: i64 = 60;

/// The pause after a limit of the loop's own, which lasts as long as the loop, in seconds.
const LIMIT_PAUSE: i64 = 600;

/// The longest pause that a loop waits for which drains the queue, in seconds.
const WORTH_A_WAIT: i64 = 8;

/// Puts a job back until its host has what it lacked. The attempt does not count, and the pause
/// grows with each one. Accepted work stays where it is: only its `verify` or its merge could not
/// start.
#[derive(Clone, Copy, Debug)]
pub struct PutBack<'a> {
    /// The lack.
    pub lack: &'a HostLack,
}

impl JobStep for PutBack<'_> {
    const NAME: StepName = StepName::PutBack;
    const FROM: &'static [Stage] = &[Stage::Inbox, Stage::Building, Stage::Review, Stage::Testing];
    const CHECK: RecordCheck = RecordCheck::Nothing;

    fn write(&self, row: JobRow<'_>, now: Timestamp) -> Result<StepWrites, StepRefusal> {
        let (code, detail) = match self.lack {
            HostLack::Program { program } => (PROGRAM_LACK, program.clone()),
            HostLack::Resource { resource, refusal } => (resource.as_str(), refusal.clone()),
            // Of the others the loop knows by itself.
            other => (ENGINE_LACK, other.to_string()),
        };
        let tries = row.host_tries().unwrap_or(0).saturating_add(1);
        let next = now.saturating_add(pause(tries, code)).unwrap_or(Timestamp::MAX);
        let update = RecordUpdate::new()
            .set(RecordKey::EndedAt, now)
            .set(RecordKey::NextEligible, next)
            .set(RecordKey::Message, self.lack)
            .set(RecordKey::HostLacks, code)
            .set(RecordKey::HostLacksDetail, detail)
            .set(RecordKey::HostTries, tries)
            .clear(WORKER_KEYS);
        Ok(match row.stage {
            Stage::Building => StepWrites::to(Stage::Inbox, update),
            _ => StepWrites::note(update),
        })
    }
}

/// The lack that a job waits for, by its record.
pub fn recorded_lack(content: &RecordContent) -> Option<HostLack> {
    let detail = content.get(RecordKey::HostLacksDetail).unwrap_or_default().to_owned();
    match content.get(RecordKey::HostLacks)? {
        PROGRAM_LACK => Some(HostLack::Program { program: detail }),
        code => {
            let resource = HostResource::of_code(code)?;
            Some(HostLack::Resource { resource, refusal: detail })
        }
    }
}

/// Answers whether a loop that drains the queue waits for the next try.
pub fn is_worth_a_wait(content: &RecordContent) -> bool {
    let code = content.get(RecordKey::HostLacks).unwrap_or_default();
    pause(content.count(RecordKey::HostTries), code).as_secs() <= WORTH_A_WAIT
}

fn pause(tries: u32, code: &str) -> SignedDuration {
    if code == HostResource::FileSize.as_str() {
        return SignedDuration::from_secs(LIMIT_PAUSE);
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(10));
    SignedDuration::from_secs(doubled.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::super::lab::{AT_WORK, stages_of, written};
    use super::*;

    fn lack(resource: HostResource) -> HostLack {
        HostLack::Resource { resource, refusal: "a\nb".to_owned() }
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        let pauses: Vec<i64> = (1..8).map(|tries| pause(tries, "room").as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(1, "file_size").as_secs(), LIMIT_PAUSE);
        assert_eq!(pause(u32::MAX, "room").as_secs(), LONGEST_PAUSE);
        let waits = |tries, code| {
            let record = format!("host_tries={tries}\nhost_lacks={code}\n");
            is_worth_a_wait(&RecordContent::parse(&record))
        };
        assert!(waits(3, "room") && !waits(4, "room") && !waits(1, "file_size"));
    }

    #[test]
    fn attempts_stay_uncounted() {
        let lack = lack(HostResource::Room);
        let step = PutBack { lack: &lack };
        let text = "ended_at=1970-01-01T00:01:40Z\nnext_eligible=1970-01-01T00:01:44Z\n\
                    message=no room: a\\nb\nhost_lacks=room\nhost_lacks_detail=a\\nb\n\
                    host_tries=2\n";
        let record = format!("{AT_WORK}host_tries=1\n");
        let worker = "pid=\npidstart=\nboot=\nstep=\n";
        let done = written(&step, Stage::Building, &record);
        let moved = format!("{text}{worker}moved_to=inbox\n");
        assert_eq!(done, Ok((Some(Stage::Inbox), moved)));
        let done = written(&step, Stage::Review, &record);
        assert_eq!(done, Ok((None, format!("{text}{worker}"))));
        let done = written(&step, Stage::Inbox, "host_tries=1\n");
        assert_eq!(done, Ok((None, text.to_owned())));
        let stages = [Stage::Inbox, Stage::Building, Stage::Review, Stage::Testing];
        assert_eq!(stages_of(&step), stages);
    }

    #[test]
    fn lacks_are_read_back() {
        let program = HostLack::Program { program: "git".to_owned() };
        for lack in [program, lack(HostResource::OpenFiles), lack(HostResource::FileSize)] {
            let (_, text) = written(&PutBack { lack: &lack }, Stage::Building, "").unwrap();
            assert_eq!(recorded_lack(&RecordContent::parse(&text)), Some(lack));
        }
        // The loop sees by itself when this one is mended.
        let room = HostLack::Room { free: 1, mark: 2 };
        let (_, text) = written(&PutBack { lack: &room }, Stage::Building, "").unwrap();
        assert!(text.contains("\nhost_lacks=engine\n"), "{text}");
        assert_eq!(recorded_lack(&RecordContent::parse(&text)), None);
        assert_eq!(recorded_lack(&RecordContent::default()), None);
    }
}
