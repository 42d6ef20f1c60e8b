//! Questions to a forge that answers as it likes, with a clock of the test's own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aq_tracker::forge::{PullAnswer, PullRequests, PullState};
use aq_tracker::{TrackerError, TrackerRequest, TrackerResponse, TrackerTransport};
use serde_json::json;

use super::*;
use crate::store::StoreError;

const EVERY: Duration = Duration::from_secs(300);
const URL: &str = "https://github.com/o/r/pull/7";

/// Answers in order, and the versions that were named.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<TrackerResponse>>>,
    etags: Arc<Mutex<Vec<Option<String>>>>,
}

impl TrackerTransport for Script {
    fn send(&self, request: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
        self.etags.lock().unwrap().push(request.etag.clone());
        Ok(self.answers.lock().unwrap().pop_front().unwrap())
    }
}

/// A schedule, the forge that is asked, and a clock.
struct Lab {
    schedule: PullSchedule,
    script: Script,
    forge: PullRequests<Script>,
    now: Instant,
}

impl Lab {
    fn of(jobs: &[&str]) -> Self {
        let script = Script::default();
        let forge = PullRequests::new(script.clone(), "https://api.github.com");
        let now = Instant::now();
        let mut schedule = PullSchedule::default();
        jobs.iter().for_each(|job| schedule.watch(id(job), now));
        Self { schedule, script, forge, now }
    }

    /// Sleeps as long as the thread does, and answers how long that is, in seconds.
    fn sleep(&mut self) -> u64 {
        let pause = self.schedule.pause(self.now);
        self.now += pause;
        pause.as_secs()
    }

    fn due(&self) -> Vec<String> {
        self.schedule.due(self.now).iter().map(ToString::to_string).collect()
    }

    /// Asks about a job, of which the forge says this.
    fn ask(&mut self, job: &str, answer: TrackerResponse) -> Option<PullNews> {
        self.script.answers.lock().unwrap().push_back(answer);
        let etag = self.schedule.etag(&id(job));
        let repository = "github:o/r".parse().unwrap();
        let read = self.forge.read(&repository, 7, "aq/wip/a", etag.as_deref());
        let look = read.map_err(PullError::from).map(|answer| match answer {
            PullAnswer::Unchanged => (PullLook::Waits(None), etag),
            PullAnswer::Read { pull, etag } if pull.state == PullState::Open => {
                (PullLook::Waits(Some(pull.url)), etag)
            }
            PullAnswer::Read { etag, .. } => (PullLook::Moved, etag),
        });
        self.schedule.looked(&id(job), look, EVERY, self.now)
    }

    fn etags(&self) -> Vec<Option<String>> {
        std::mem::take(&mut *self.script.etags.lock().unwrap())
    }
}

fn id(job: &str) -> JobId {
    JobId::new(job).unwrap()
}

fn says(status: u16, headers: &[(&str, &str)], body: &str) -> TrackerResponse {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    TrackerResponse { status, headers: headers.collect(), body: body.to_owned() }
}

fn request(state: &str, etag: &str) -> TrackerResponse {
    let merged_at = (state == "merged").then_some("2026-11-30T12:00:00Z");
    let body = json!({
        "number": 7, "html_url": URL, "body": "", "merged_at": merged_at,
        "state": if state == "open" { "open" } else { "closed" },
        "head": { "ref": "aq/wip/a", "sha": "1".repeat(40), "repo": { "full_name": "o/r" } },
        "base": { "ref": "main", "sha": "2".repeat(40), "repo": { "full_name": "o/r" } },
    });
    says(200, &[("etag", etag)], &body.to_string())
}

fn is_trouble(news: Option<&PullNews>) -> bool {
    matches!(news, Some(PullNews::Trouble(_)))
}

#[test]
fn open_requests_are_asked_by_version() {
    let mut lab = Lab::of(&["a"]);
    assert_eq!(lab.due(), ["a"], "at once");
    let open = PullNews::Open { id: id("a"), url: URL.to_owned() };
    assert_eq!(lab.ask("a", request("open", "v1")), Some(open));
    for _ in 0..3 {
        assert_eq!((lab.due().len(), lab.sleep(), lab.due()), (0, 300, vec!["a".to_owned()]));
        assert_eq!(lab.ask("a", says(304, &[], "")), None);
    }
    lab.sleep();
    assert_eq!(lab.ask("a", request("open", "v2")), None, "its page is known");
    lab.sleep();
    assert_eq!(lab.ask("a", request("merged", "v3")), Some(PullNews::Moved(id("a"))));
    assert_eq!(lab.schedule.pause(lab.now), LONG, "nothing is left to ask about");
    let version = |name: &str| Some(name.to_owned());
    let v1 = || version("v1");
    assert_eq!(lab.etags(), [None, v1(), v1(), v1(), v1(), version("v2")]);
}

#[test]
fn limits_are_for_all_jobs() {
    let mut lab = Lab::of(&["a", "b"]);
    let limited = says(403, &[("retry-after", "120")], "{\"message\": \"API rate limit\"}");
    assert!(is_trouble(lab.ask("a", limited).as_ref()));
    assert_eq!(lab.due(), [""; 0]);
    assert!(lab.schedule.is_resting(lab.now));
    assert_eq!(lab.sleep(), 120);
    assert_eq!(lab.due(), ["a", "b"]);
    assert!(is_trouble(lab.ask("b", says(503, &[("retry-after", "7")], "")).as_ref()));
    assert_eq!((lab.sleep(), lab.due().len()), (7, 1));
    lab.now += FIRST_PAUSE;
    // One that does not say for how long.
    let secondary = "{\"message\": \"You have exceeded a secondary rate limit.\"}";
    assert!(is_trouble(lab.ask("b", says(403, &[], secondary)).as_ref()));
    assert_eq!((lab.sleep(), lab.due().len()), (60, 2));
    // Refusals that are no limit concern their job alone.
    assert!(is_trouble(lab.ask("a", says(403, &[], "{\"message\": \"Not yours\"}")).as_ref()));
    assert_eq!((lab.due(), lab.sleep()), (vec!["b".to_owned()], 0));
}

#[test]
fn errors_pause_ever_longer() {
    let mut lab = Lab::of(&["a"]);
    let mut pauses = Vec::new();
    for n in 0..8 {
        assert_eq!(is_trouble(lab.ask("a", says(502, &[], "{}")).as_ref()), n == 0, "said once");
        pauses.push(lab.sleep());
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900, 900]);
    lab.schedule.watch(id("b"), lab.now);
    assert!(!is_trouble(lab.ask("a", request("open", "v1")).as_ref()));
    assert!(is_trouble(lab.ask("a", says(500, &[], "{}")).as_ref()), "all is forgotten");
    assert_eq!(lab.due(), ["b"], "others are asked about");
    lab.schedule.leave(&id("b"));
    assert_eq!(lab.sleep(), 30);
}

/// The token is the same for all jobs.
#[test]
fn refused_tokens_pause_all_jobs() {
    let mut lab = Lab::of(&["a", "b"]);
    for pause in [30, 60] {
        lab.ask("a", says(401, &[], "{}"));
        assert_eq!((lab.due().len(), lab.sleep()), (0, pause));
        assert_eq!(lab.due(), ["a", "b"]);
    }
}

/// What could not be acted on is read again, and not passed over as known.
#[test]
fn versions_count_once_acted_on() {
    let mut lab = Lab::of(&["a"]);
    lab.ask("a", request("open", "v1"));
    lab.sleep();
    let busy = || Err(PullError::Store(StoreError::Busy(id("a"))));
    assert_eq!(lab.schedule.looked(&id("a"), busy(), EVERY, lab.now), None);
    assert_eq!((lab.sleep(), lab.due()), (1, vec!["a".to_owned()]));
    assert_eq!(lab.schedule.etag(&id("a")).as_deref(), Some("v1"));
    assert_eq!(lab.ask("a", request("merged", "v2")), Some(PullNews::Moved(id("a"))));
}

#[test]
fn watched_jobs_keep_their_time() {
    let mut lab = Lab::of(&["a"]);
    lab.ask("a", request("open", "v1"));
    lab.schedule.watch(id("a"), lab.now);
    assert_eq!(lab.due(), [""; 0]);
    lab.schedule.leave(&id("a"));
    let look = Ok((PullLook::Waits(None), None));
    assert_eq!(lab.schedule.looked(&id("a"), look, EVERY, lab.now), None, "it has left");
    lab.schedule.watch(id("a"), lab.now);
    assert_eq!((lab.due(), lab.schedule.etag(&id("a"))), (vec!["a".to_owned()], None));
    let look = Ok((PullLook::Left, None));
    assert_eq!(lab.schedule.looked(&id("a"), look, EVERY, lab.now), None);
    assert_eq!(lab.due(), [""; 0]);
}
