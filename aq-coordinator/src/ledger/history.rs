//! The consequences of a row's change for the tables beside it: the grants of the past, and the
//! feed.

use aq_fleet::protocol::{Epoch, FactoryId, FleetJobId, InstanceId, RequestId};
use aq_manifest::Stage;

use super::{ActiveLease, DbTime, FleetJob, LeaseEnd, LeaseStatus};

/// One grant of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRecord {
    /// The job.
    pub job: FleetJobId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The host that got the job.
    pub factory: FactoryId,
    /// In which life of its loop, when it had registered.
    pub instance: Option<InstanceId>,
    /// By which claim.
    pub request: RequestId,
    /// When.
    pub started: DbTime,
    /// When it ended.
    pub ended: Option<DbTime>,
    /// Its end.
    pub end: Option<LeaseEnd>,
}

/// A message of the feed: that a job has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobNotice {
    /// `submitted`, `granted`, `moved`, `lapsed`, `renewed`, `released`, `lost`, `cancelled`,
    /// `requeued` or `changed`.
    pub kind: &'static str,
    /// The job.
    pub job: FleetJobId,
    /// Whom it is about, when somebody has or had it.
    pub factory: Option<FactoryId>,
    /// Under which grant.
    pub epoch: Option<Epoch>,
    /// The job's stage after it.
    pub stage: Stage,
}

/// The records of grants that a change makes or ends: none, one, or two when a lapsed job goes to
/// somebody else.
pub fn history(before: Option<&FleetJob>, after: &FleetJob, now: DbTime) -> Vec<GrantRecord> {
    let mut records = Vec::new();
    let past = before.and_then(|job| Some((job.epoch, job.tenure.as_ref()?)));
    let present = after.tenure.as_ref().map(|tenure| (after.epoch, tenure));
    if let Some((epoch, tenure)) = past
        && present.is_none_or(|(now, _)| now != epoch)
        && !matches!(tenure.hold, LeaseStatus::Ended(_))
    {
        records.push(record(after.id, epoch, tenure, Some(LeaseEnd::Lost), now));
    }
    if let Some((epoch, tenure)) = present {
        let end = end_of(tenure);
        let known = past.filter(|(past, _)| *past == epoch);
        if known.is_none_or(|(_, past)| end_of(past) != end) {
            records.push(record(after.id, epoch, tenure, end, now));
        }
    }
    records
}

/// Returns the feed's entry for a change; `None` where there is none.
pub fn notice(before: Option<&FleetJob>, after: &FleetJob) -> Option<JobNotice> {
    let kind = kind(before, after)?;
    let tenure = after.tenure.as_ref();
    Some(JobNotice {
        kind,
        job: after.id,
        factory: tenure.map(|tenure| tenure.factory.clone()),
        epoch: tenure.map(|_| after.epoch),
        stage: after.stage,
    })
}

fn kind(before: Option<&FleetJob>, after: &FleetJob) -> Option<&'static str> {
    let Some(before) = before else { return Some("submitted") };
    if before.same_but_lease(after) {
        return None;
    }
    let hold = |job: &FleetJob| job.tenure.as_ref().map(|tenure| tenure.hold);
    let kind = match (hold(before), hold(after)) {
        _ if before.epoch != after.epoch => "granted",
        (was, is) if was != is => match is {
            Some(LeaseStatus::Lapsed) => "lapsed",
            Some(LeaseStatus::Held) => "renewed",
            Some(LeaseStatus::Ended(LeaseEnd::Released(_))) => "released",
            Some(LeaseStatus::Ended(LeaseEnd::Lost)) => "lost",
            None => "changed",
        },
        _ if after.cancel && !before.cancel => "cancelled",
        _ if before.stage != after.stage => match after.stage {
            Stage::Inbox => "requeued",
            Stage::Failed => "cancelled",
            _ => "moved",
        },
        _ => "changed",
    };
    Some(kind)
}

fn end_of(tenure: &ActiveLease) -> Option<LeaseEnd> {
    match tenure.hold {
        LeaseStatus::Held | LeaseStatus::Lapsed => None,
        LeaseStatus::Ended(end) => Some(end),
    }
}

fn record(
    job: FleetJobId,
    epoch: Epoch,
    tenure: &ActiveLease,
    end: Option<LeaseEnd>,
    now: DbTime,
) -> GrantRecord {
    GrantRecord {
        job,
        epoch,
        factory: tenure.factory.clone(),
        instance: tenure.instance.clone(),
        request: tenure.request.clone(),
        started: tenure.started,
        ended: end.map(|_| now),
        end,
    }
}
