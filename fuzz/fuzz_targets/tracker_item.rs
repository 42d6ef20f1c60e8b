//! What trackers answer: a job file comes out of it that is good, or an error. And what a forge
//! answers: a pull request that can be shown and recorded, or an error.
#![no_main]

use aq_tracker::forge::{PullAnswer, PullRequests, with_own_part};
use aq_tracker::{
    GitHub, ItemApi, ItemId, Tracker, TrackerError, TrackerRequest, TrackerResponse,
    TrackerTransport, mapping,
};
use libfuzzer_sys::fuzz_target;

/// Answers everything with this.
struct Always(String);

impl TrackerTransport for Always {
    fn send(&self, _: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
        Ok(TrackerResponse { status: 200, headers: Vec::new(), body: self.0.clone() })
    }
}

fuzz_target!(|text: &str| {
    let items = [("T-1", true), ("github:owner/repo#1", false)];
    for (id, is_plain) in items {
        let id: ItemId = id.parse().expect("a good id");
        let tracker: Box<dyn Tracker> = if is_plain {
            Box::new(ItemApi::new(Always(text.to_owned())))
        } else {
            Box::new(GitHub::new(Always(text.to_owned()), "https://example.org"))
        };
        let Ok(item) = tracker.item(&id) else { continue };
        let Ok(job) = mapping::job(&item) else { continue };
        let parsed = aq_manifest::parse(&job.text);
        assert!(!parsed.has_errors(), "{:?}", job.text);
    }
    let pulls = PullRequests::new(Always(text.to_owned()), "https://example.org");
    let repository = "github:owner/repo".parse().expect("a good name");
    let _ = pulls.of_branch(&repository, "aq/wip/a");
    if let Ok(PullAnswer::Read { pull, .. }) = pulls.read(&repository, 1, "aq/wip/a", None) {
        assert!(pull.url.starts_with("http") && !pull.url.contains(char::is_control));
        assert!(!pull.base.contains(char::is_control) && !pull.base.starts_with('-'));
        assert!(matches!(pull.head_commit.len(), 40 | 64));
        let _ = with_own_part(&pull.body, "x");
    }
});
