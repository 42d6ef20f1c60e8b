//! The typed content of a record.

use aq_manifest::{JobId, Stage};

use crate::content::RecordContent;
use crate::problem::RecordProblem;

/// A job as its folder and its record show it, where every value parses.
///
/// A view: a value is read when it is asked for. `None` is a key that the record does not have.
#[derive(Clone, Copy, Debug)]
pub struct JobRow<'a> {
    /// The job.
    pub id: &'a JobId,
    /// The folder that its file is in.
    pub stage: Stage,
    pub(crate) content: &'a RecordContent,
}

impl<'a> JobRow<'a> {
    /// Checks the values of a record.
    ///
    /// # Errors
    /// The first one that does not parse, or a format that this version does not read.
    pub fn new(
        id: &'a JobId,
        stage: Stage,
        content: &'a RecordContent,
    ) -> Result<Self, RecordProblem> {
        RecordProblem::of(content).map_or(Ok(Self { id, stage, content }), Err)
    }

    /// The same without the check: a value that does not parse is absent. For what decides nothing
    /// about the job, and for one that is running: it has its slot, whatever became of its record.
    pub fn unchecked(id: &'a JobId, stage: Stage, content: &'a RecordContent) -> Self {
        Self { id, stage, content }
    }

    /// Every key with its value as text; those of other versions, too.
    pub fn content(self) -> &'a RecordContent {
        self.content
    }

    /// Tests for a hold: a person keeps it from its start.
    pub fn is_held(self) -> bool {
        self.content.has(crate::RecordKey::Held)
    }

    /// Tests for a lease: the fleet has given it to this host.
    pub fn has_lease(self) -> bool {
        self.fleet_job_id().is_some() && self.fleet_lease_epoch().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_lists_are_taken_whole() {
        let content = RecordContent::parse("message=a, b\nleft_out=a,b\\\\,c\n");
        let id = "a".parse().unwrap();
        let row = JobRow::new(&id, Stage::Inbox, &content).unwrap();
        assert_eq!(row.message(), Some("a, b"));
        assert_eq!(row.left_out(), Some(vec!["a".to_owned(), "b,c".to_owned()]));
    }

    #[test]
    fn leases_have_job_and_epoch() {
        let job = "fleet_job_id=01890a5d-ac96-774b-bcce-b302099a8057\n";
        let epoch = "fleet_lease_epoch=4\n";
        let id = "a".parse().unwrap();
        let has_lease = |text: &str| {
            let content = RecordContent::parse(text);
            JobRow::unchecked(&id, Stage::Inbox, &content).has_lease()
        };
        assert!(has_lease(&[job, epoch].concat()));
        assert!(!has_lease(job) && !has_lease(epoch) && !has_lease(""));
    }
}
