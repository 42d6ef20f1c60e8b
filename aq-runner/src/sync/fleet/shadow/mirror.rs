//! The host's jobs as the coordinator knows them in shadow. Only what has changed is sent.

use std::collections::HashMap;

use aq_fleet::client::CallError;
use aq_fleet::protocol::{FleetJobId, SubmitRequest};
use aq_manifest::{JobId, Stage, mirrored};
use sha2::{Digest, Sha256};

use super::asking::ShadowConversation;
use super::decision::MirroredJob;

/// The coordinator's present knowledge.
#[derive(Debug, Default)]
pub(super) struct CoordinatorMirror {
    jobs: HashMap<String, MirrorEntry>,
    /// Number of times that it followed: what was not seen this time has gone.
    turn: u64,
}

#[derive(Debug)]
struct MirrorEntry {
    /// Where it is there. `None` for one that was refused: it is not offered again as it is.
    job: Option<FleetJobId>,
    stage: Stage,
    version: u64,
    /// Of the text that was sent.
    hash: [u8; 32],
    seen: u64,
}

impl CoordinatorMirror {
    /// The mirror of the job with a key.
    pub(super) fn get(&self, key: &str) -> Option<FleetJobId> {
        self.jobs.get(key)?.job
    }

    /// Tests for a mirror that one of this host's jobs has.
    pub(super) fn has(&self, job: FleetJobId) -> bool {
        self.jobs.values().any(|told| told.job == Some(job))
    }

    /// The coordinator knows nothing any more.
    pub(super) fn forget_all(&mut self) {
        self.jobs.clear();
    }

    /// A report about a job has sent this.
    pub(super) fn told(&mut self, key: &str, stage: Stage) {
        if let Some(told) = self.jobs.get_mut(key) {
            told.stage = stage;
        }
    }

    /// Brings the coordinator's picture in line with these jobs, the oldest first: their order
    /// there is the one in which they came. `read` gives the text of a job's file, while there is
    /// one.
    ///
    /// # Errors
    /// When the coordinator cannot be reached. What was sent by then is remembered.
    pub(super) fn follow(
        &mut self,
        asking: &mut ShadowConversation,
        originals: &[MirroredJob],
        read: &dyn Fn(&JobId) -> Option<String>,
    ) -> Result<(), CallError> {
        self.turn += 1;
        for original in originals {
            self.follow_one(asking, original, read)?;
        }
        let gone = self.jobs.iter().filter(|(_, told)| told.seen != self.turn);
        let gone: Vec<String> = gone.map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.set_stage(asking, &key, Stage::Failed)?;
            self.jobs.remove(&key);
        }
        Ok(())
    }

    fn follow_one(
        &mut self,
        asking: &mut ShadowConversation,
        original: &MirroredJob,
        read: &dyn Fn(&JobId) -> Option<String>,
    ) -> Result<(), CallError> {
        let known = self.jobs.get(&original.key);
        if known.is_none_or(|told| told.version != original.version) {
            self.submit(asking, original, read)?;
        }
        if let Some(told) = self.jobs.get_mut(&original.key) {
            told.seen = self.turn;
        }
        self.set_stage(asking, &original.key, original.stage)
    }

    /// Sends the job's file, when it is another than was sent.
    fn submit(
        &mut self,
        asking: &mut ShadowConversation,
        original: &MirroredJob,
        read: &dyn Fn(&JobId) -> Option<String>,
    ) -> Result<(), CallError> {
        let MirroredJob { key, id, lock, version, .. } = original;
        // One whose file has gone, or is none, stays as it was sent.
        let Some(text) = read(id) else { return Ok(()) };
        let Ok(manifest) = mirrored(&text, key, lock.as_deref()) else { return Ok(()) };
        let hash = Sha256::digest(&manifest).into();
        if let Some(told) = self.jobs.get_mut(key)
            && told.hash == hash
        {
            told.version = *version;
            return Ok(());
        }
        let submit = SubmitRequest {
            manifest,
            name: id.clone(),
            shadow: true,
            factory_id: Some(asking.settings.factory.clone()),
        };
        let job = match asking.call(|client| client.submit(&submit)) {
            Ok(submitted) => Some(submitted.job_id),
            Err(why @ CallError::Refused(_)) if !why.may_pass() => None,
            Err(why) => return Err(why),
        };
        let told =
            MirrorEntry { job, stage: Stage::Inbox, version: *version, hash, seen: self.turn };
        self.jobs.insert(key.clone(), told);
        Ok(())
    }

    fn set_stage(
        &mut self,
        asking: &mut ShadowConversation,
        key: &str,
        stage: Stage,
    ) -> Result<(), CallError> {
        let Some(told) = self.jobs.get_mut(key) else { return Ok(()) };
        let Some(job) = told.job.filter(|_| told.stage != stage) else { return Ok(()) };
        // One that has gone after its end stays as it ended.
        let has_gone = told.seen != self.turn;
        if has_gone && told.stage.is_final() {
            return Ok(());
        }
        match asking.report(job, stage, None) {
            Ok(()) => {
                told.stage = stage;
                Ok(())
            }
            Err(why) => {
                if matches!(&why, CallError::Refused(problem) if problem.status == 404) {
                    // It has another database than it had: the job is to be sent again.
                    self.jobs.remove(key);
                }
                Err(why)
            }
        }
    }
}
