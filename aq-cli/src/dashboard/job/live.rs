//! The events of an open job page: the job has changed, or its log has grown.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use aq_manifest::JobId;
use aq_runner::run::{JobActivity, JobView};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::response::sse::Event;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::dashboard::error::PageError;
use crate::dashboard::feed::Look;
use crate::dashboard::guard::PageViewer;
use crate::dashboard::live::live;
use crate::dashboard::state::{QueueDashboard, job_id};

/// Interval between looks at the log.
const LOOK: Duration = Duration::from_millis(500);

/// `GET /jobs/{id}/events`
pub(in crate::dashboard) async fn events(
    State(dashboard): State<QueueDashboard>,
    viewer: PageViewer,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = job_id(&id)?;
    dashboard.queue.expect(&id)?;
    let looks = dashboard.feed.follow();
    let follower = JobFollower { dashboard: dashboard.clone(), id, looks, told: Value::Null };
    live(&dashboard, viewer, stream::unfold(follower, next))
}

struct JobFollower {
    dashboard: QueueDashboard,
    id: JobId,
    looks: watch::Receiver<Arc<Look>>,
    told: Value,
}

/// Waits for news.
async fn next(mut follower: JobFollower) -> Option<(Event, JobFollower)> {
    loop {
        let news = follower.look().await;
        if news != follower.told {
            let event = Event::default().event("job").data(news.to_string());
            follower.told = news;
            return Some((event, follower));
        }
        // A look that comes earlier wakes it; the feed ends with the process.
        if let Ok(Err(_)) = tokio::time::timeout(LOOK, follower.looks.changed()).await {
            return None;
        }
    }
}

impl JobFollower {
    async fn look(&mut self) -> Value {
        let digest = match &**self.looks.borrow_and_update() {
            Ok(look) => {
                let mut all = look.jobs.iter().chain(&look.ended);
                // One that ended long ago does not change.
                all.find(|job| job.record.id == self.id).map(digest)
            }
            Err(_) => None,
        };
        let id = self.id.clone();
        let size = self.dashboard.blocking(move |dashboard| {
            Ok(dashboard.queue.log(&id).symlink_metadata().map_or(0, |about| about.len()))
        });
        json!({ "digest": digest, "size": size.await.unwrap_or(0) })
    }
}

/// Everything that the head and the overview of a job show, except that time passes.
pub(super) fn digest(job: &JobView) -> String {
    let mut hasher = DefaultHasher::new();
    job.record.stage.folder().hash(&mut hasher);
    for pair in job.record.meta.iter() {
        pair.hash(&mut hasher);
    }
    match &job.activity {
        JobActivity::Waiting(reason) => reason.as_ref().map(ToString::to_string).hash(&mut hasher),
        JobActivity::Unread => 1.hash(&mut hasher),
        JobActivity::Running { stalled, verifying, .. } => {
            (2, stalled.is_some(), verifying).hash(&mut hasher);
        }
        JobActivity::Lost => 3.hash(&mut hasher),
        JobActivity::Resting => 4.hash(&mut hasher),
        JobActivity::Unusable(fault) => fault.to_string().hash(&mut hasher),
    }
    if let Some(tracker) = &job.tracker {
        (&tracker.echoed, tracker.waiting, &tracker.problem).hash(&mut hasher);
    }
    // As text: it is larger than the numbers of a script.
    format!("{:x}", hasher.finish())
}
