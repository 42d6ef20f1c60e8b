//! Updates for trackers, and whose turn it is.

use std::time::Duration;

use aq_coordinator::store::{DeliveryAck, SenderLease, SubmitResult};
use aq_fleet::protocol::{Epoch, EventsRequest, FleetJobId, JobEvent, ReleaseOutcome};
use aq_manifest::Stage;
use aq_tracker::TrackerKind;
use uuid::Uuid;

use crate::lab::{Lab, created, factory, release, rewritten, submission};

const HOLD: Duration = Duration::from_secs(30);

async fn submit(lab: &Lab, name: &str, item: &str) -> FleetJobId {
    let mut job = submission(name);
    job.item = Some(item.to_owned());
    created(lab.store.submit(job, None).await.unwrap()).id
}

async fn post(lab: &Lab, job: FleetJobId, epoch: Epoch, seq: u64, kind: &str) {
    let fields = serde_json::from_str(r#"{"attempts": 2, "cost_usd": 0.5}"#).unwrap();
    let at = jiff::Timestamp::UNIX_EPOCH;
    let event = JobEvent { seq, at, kind: kind.parse().unwrap(), fields };
    let events = EventsRequest { factory_id: factory("host"), epoch, events: vec![event] };
    lab.store.post(job, events).await.unwrap();
}

async fn news(lab: &Lab, kind: TrackerKind, after: u64) -> Vec<(u64, String, Stage)> {
    let page = lab.store.news(kind, after, 10).await.unwrap();
    page.news.into_iter().map(|news| (news.id, news.item, news.echo.stage)).collect()
}

fn told(id: u64, job: FleetJobId, item: &str, echoed: Option<Stage>) -> DeliveryAck {
    DeliveryAck { id, job, item: item.to_owned(), echoed, comment: echoed.map(|_| "c1".to_owned()) }
}

pub(crate) async fn steps_of_jobs_with_items_are_news(lab: Lab) {
    let plain = lab.submit("plain").await.id;
    let job = submit(&lab, "a", "T-1").await;
    for id in [plain, job] {
        let epoch = lab.grant("host", id).await.job.epoch;
        for (seq, kind) in [(1, "building"), (2, "heartbeat"), (3, "failed"), (3, "failed")] {
            post(&lab, id, epoch, seq, kind).await;
        }
        lab.store.release(id, release("host", epoch, ReleaseOutcome::Failed)).await.unwrap();
    }
    let page = lab.store.news(TrackerKind::Items, 0, 10).await.unwrap();
    let stages: Vec<Stage> = page.news.iter().map(|news| news.echo.stage).collect();
    // The last one is the coordinator's own.
    assert_eq!(stages, [Stage::Building, Stage::Failed, Stage::Failed]);
    let first = &page.news[0];
    assert_eq!((first.job, first.item.as_str(), first.echoed), (job, "T-1", None));
    assert_eq!((first.echo.attempts, first.echo.cost_usd), (Some(2), Some(0.5)));
    assert!(!page.more && page.next >= page.news[2].id);
    let short = lab.store.news(TrackerKind::Items, 0, 2).await.unwrap();
    assert!(short.more);
    assert!(short.next < page.news[1].id, "the second of them is no step");
    assert_eq!(news(&lab, TrackerKind::Items, page.next).await, []);
}

pub(crate) async fn a_job_that_only_the_coordinator_ends_is_news(lab: Lab) {
    let job = submit(&lab, "a", "T-1").await;
    lab.store.cancel(job).await.unwrap();
    let found = news(&lab, TrackerKind::Items, 0).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].2, Stage::Failed);
}

pub(crate) async fn one_has_the_turn_until_it_ends(lab: Lab) {
    let turn = |tracker| SenderLease { tracker, holder: Uuid::new_v4() };
    let (one, two, other) =
        (turn(TrackerKind::Items), turn(TrackerKind::Items), turn(TrackerKind::GitHub));
    let second = lab.second();
    assert_eq!(lab.store.turn(one, HOLD).await.unwrap(), Some(0));
    assert_eq!(second.turn(two, HOLD).await.unwrap(), None);
    assert_eq!(second.turn(other, HOLD).await.unwrap(), Some(0), "each tracker has its own");
    lab.pass(HOLD / 2);
    assert_eq!(lab.store.turn(one, HOLD).await.unwrap(), Some(0), "renewed");
    lab.pass(HOLD / 2);
    assert_eq!(second.turn(two, HOLD).await.unwrap(), None);
    lab.pass(HOLD / 2);
    assert_eq!(second.turn(two, HOLD).await.unwrap(), Some(0), "it has ended");
    assert_eq!(lab.store.turn(one, HOLD).await.unwrap(), None);
    second.turn(two, Duration::ZERO).await.unwrap();
    assert_eq!(lab.store.turn(one, HOLD).await.unwrap(), Some(0), "it was given back");
}

pub(crate) async fn what_was_told_is_no_news(lab: Lab) {
    let job = submit(&lab, "a", "T-1").await;
    let epoch = lab.grant("host", job).await.job.epoch;
    for (seq, kind) in [(1, "building"), (2, "review"), (3, "testing")] {
        post(&lab, job, epoch, seq, kind).await;
    }
    let ids: Vec<u64> =
        news(&lab, TrackerKind::Items, 0).await.iter().map(|found| found.0).collect();
    let turn = SenderLease { tracker: TrackerKind::Items, holder: Uuid::new_v4() };
    let first = told(ids[0], job, "T-1", Some(Stage::Building));
    assert!(!lab.store.told(turn, first.clone()).await.unwrap(), "it is nobody's turn");
    lab.store.turn(turn, HOLD).await.unwrap();
    assert!(lab.store.told(turn, first.clone()).await.unwrap());
    assert!(!lab.store.told(turn, first).await.unwrap(), "noted before");
    // Dropped: the tracker knows what it knew.
    assert!(lab.store.told(turn, told(ids[1], job, "T-1", None)).await.unwrap());
    let left = lab.second().news(TrackerKind::Items, 0, 10).await.unwrap().news;
    assert_eq!(left.iter().map(|news| news.id).collect::<Vec<_>>(), ids[2..]);
    assert_eq!(left[0].echoed, Some(Stage::Building));
    assert_eq!(left[0].comment.as_deref(), Some("c1"));
    assert_eq!(news(&lab, TrackerKind::GitHub, 0).await.len(), 3, "each tracker is told by itself");
    let again = SenderLease { holder: Uuid::new_v4(), ..turn };
    lab.pass(HOLD);
    assert_eq!(lab.store.turn(again, HOLD).await.unwrap(), Some(ids[1]));
    let late = told(ids[2], job, "T-1", Some(Stage::Testing));
    assert!(!lab.store.told(turn, late).await.unwrap(), "its turn has passed");
}

pub(crate) async fn a_new_text_may_name_another_item(lab: Lab) {
    let job = submit(&lab, "a", "T-1").await;
    let turn = SenderLease { tracker: TrackerKind::Items, holder: Uuid::new_v4() };
    lab.store.turn(turn, HOLD).await.unwrap();
    assert!(lab.store.told(turn, told(1, job, "T-1", Some(Stage::Failed))).await.unwrap());
    for item in [Some("T-2"), None] {
        let mut other = rewritten("a");
        if item.is_none() {
            other = submission("a");
        }
        other.item = item.map(str::to_owned);
        let superseded = lab.store.submit(other, None).await.unwrap();
        assert!(matches!(superseded, SubmitResult::Superseded(_)), "{superseded:?}");
        if item.is_some() {
            let epoch = lab.grant("host", job).await.job.epoch;
            post(&lab, job, epoch, 1, "building").await;
            let found = lab.store.news(TrackerKind::GitHub, 0, 10).await.unwrap().news;
            assert_eq!((found[0].item.as_str(), found[0].echoed), ("T-2", None));
            let back = release("host", epoch, ReleaseOutcome::Requeue);
            lab.store.release(job, back).await.unwrap();
        }
    }
    assert_eq!(news(&lab, TrackerKind::GitHub, 0).await, []);
}
