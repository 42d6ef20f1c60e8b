//! The folders and files of one queue, by name.

use std::collections::HashSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aq_manifest::{JobId, Stage};

use super::durable::rename_new;
use super::error::{Result, StoreError, StoreIo};
use super::marker::RepositoryMarker;
use super::text::{UnreadableJob, read_text};

/// A queue directory that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueDir {
    root: PathBuf,
    profiles: PathBuf,
}

impl QueueDir {
    /// Opens an existing queue.
    ///
    /// # Errors
    /// [`StoreError::NoQueue`] when `root` is not there, [`StoreError::Incomplete`] when it is no
    /// queue.
    pub fn open(root: &Path) -> Result<Self> {
        let root = match root.canonicalize() {
            Ok(root) => root,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NoQueue(root.to_owned()));
            }
            Err(e) => return Err(e).at("open", root),
        };
        require_text(&root)?;
        if !root.is_dir() {
            return Err(StoreError::NotADirectory(root));
        }
        let queue = Self { profiles: root.join("profiles"), root };
        for (name, dir) in [("inbox", queue.stage(Stage::Inbox)), (".state", queue.state())] {
            match dir.metadata() {
                Ok(about) if about.is_dir() => {}
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(e).at("open", &dir);
                }
                _ => return Err(StoreError::Incomplete { root: queue.root, missing: name }),
            }
        }
        Ok(queue)
    }

    /// Makes the folders of a queue, those that are missing. Folders are private to the user:
    /// prompts and logs are nobody else's business.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn init(root: &Path) -> Result<Self> {
        let make = |dir: &Path| {
            DirBuilder::new().recursive(true).mode(0o700).create(dir).at("create", dir)
        };
        require_text(root)?;
        if root.exists() && !root.is_dir() {
            return Err(StoreError::NotADirectory(root.to_owned()));
        }
        for stage in Stage::ALL {
            make(&root.join(stage.folder()))?;
        }
        for dir in [
            "profiles",
            "logs",
            ".state/meta",
            ".state/wip",
            ".state/keys",
            ".state/locks",
            ".state/tmp",
        ] {
            make(&root.join(dir))?;
        }
        // A queue in a project is nobody's work: `git add` must not take prompts and logs in.
        let ignore = root.join(".gitignore");
        if !ignore.exists() {
            std::fs::write(&ignore, "*\n").at("write", &ignore)?;
        }
        Self::open(root)
    }

    /// The directory itself, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory that jobs without one of their own work in: the top of the repository whose
    /// queue this is, else the queue's parent.
    ///
    /// # Errors
    /// When the marker cannot be read.
    pub fn project(&self) -> Result<PathBuf> {
        let top = RepositoryMarker::read(&self.root)?.and_then(|marker| marker.top);
        let parent = || self.root.parent().unwrap_or(&self.root).to_owned();
        Ok(top.unwrap_or_else(parent))
    }

    /// The same queue with its profiles elsewhere (`AGENT_QUEUE_PROFILES`).
    #[must_use]
    pub fn with_profiles(self, profiles: PathBuf) -> Self {
        Self { profiles, ..self }
    }

    /// The folder of the profiles.
    pub fn profiles(&self) -> &Path {
        &self.profiles
    }

    /// A stage's folder.
    pub fn stage(&self, stage: Stage) -> PathBuf {
        self.root.join(stage.folder())
    }

    /// A job's file, were it in `stage`.
    pub fn job_file(&self, stage: Stage, id: &JobId) -> PathBuf {
        self.root.join(format!("{}/{id}.md", stage.folder()))
    }

    /// The output of the agent and of `verify`.
    pub fn log(&self, id: &JobId) -> PathBuf {
        self.root.join(format!("logs/{id}.log"))
    }

    /// Where the files are that a job's `artifacts` name.
    pub fn artifacts(&self, id: &JobId) -> PathBuf {
        self.root.join(format!("artifacts/{id}"))
    }

    /// The job's record.
    pub fn meta(&self, id: &JobId) -> PathBuf {
        self.root.join(format!(".state/meta/{id}.meta"))
    }

    /// The commit that the job started from, as `checkpoint` writes it down.
    pub fn wip_base(&self, id: &JobId) -> PathBuf {
        self.root.join(format!(".state/wip/{id}.base"))
    }

    /// The folder of the records.
    pub fn meta_dir(&self) -> PathBuf {
        self.root.join(".state/meta")
    }

    /// Everything that users need not look at.
    pub fn state(&self) -> PathBuf {
        self.root.join(".state")
    }

    /// Where jobs' checkouts are, when the queue is in no checkout itself.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The index by idempotency key.
    pub(crate) fn keys(&self) -> PathBuf {
        self.root.join(".state/keys")
    }

    /// The files of the locks of lock keys.
    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join(".state/locks")
    }

    /// The file that names the loop's process.
    pub fn daemon_pid(&self) -> PathBuf {
        self.root.join(".state/daemon.pid")
    }

    /// The state of engines that rest.
    pub fn engines(&self) -> PathBuf {
        self.root.join(".state/engines.json")
    }

    /// The last sightings of engines.
    pub(crate) fn engine_sightings(&self) -> PathBuf {
        self.root.join(".state/engines-seen.json")
    }

    /// Answers of engines' programs that were asked for their versions.
    pub(crate) fn engine_versions(&self) -> PathBuf {
        self.root.join(".state/engine-versions.json")
    }

    /// Settings of this queue.
    pub fn config(&self) -> PathBuf {
        self.root.join("config.yaml")
    }

    /// The text of [`Self::config`] as the run loop last read it without an error.
    pub fn last_config(&self) -> PathBuf {
        self.root.join(".state/last-config.yaml")
    }

    /// The archive of `aq clean`, and of files that a newer version superseded.
    pub fn archive(&self) -> PathBuf {
        self.root.join(".archive")
    }

    /// The stage of a job: the folder that has its file.
    pub fn find(&self, id: &JobId) -> Option<Stage> {
        let look = || Stage::ALL.into_iter().find(|&stage| self.has(stage, id));
        // A job that goes back while we look may slip by: look twice before saying that it is not
        // there, or `aq add` would give its name away.
        look().or_else(look)
    }

    /// Every job, wherever it is.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(crate) fn all_jobs(&self) -> Result<HashSet<JobId>> {
        let mut jobs = HashSet::new();
        // Twice, for the same reason as in `find`.
        for stage in Stage::ALL.into_iter().chain(Stage::ALL) {
            jobs.extend(self.jobs(stage)?);
        }
        Ok(jobs)
    }

    /// Tests for a job's file in this folder.
    pub fn has(&self, stage: Stage, id: &JobId) -> bool {
        self.job_file(stage, id).symlink_metadata().is_ok()
    }

    /// The stage of a job that must be there.
    ///
    /// # Errors
    /// [`StoreError::NoSuchJob`].
    pub fn expect(&self, id: &JobId) -> Result<Stage> {
        self.find(id).ok_or_else(|| StoreError::NoSuchJob(id.clone()))
    }

    /// The jobs in a folder, in no order. Files that cannot be jobs by their name are left out;
    /// [`Self::strangers`] lists them.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn jobs(&self, stage: Stage) -> Result<Vec<JobId>> {
        Ok(self.each_job(stage)?.collect())
    }

    /// As [`Self::jobs`], one at a time: a folder may have many.
    pub(crate) fn each_job(&self, stage: Stage) -> Result<impl Iterator<Item = JobId> + use<>> {
        Ok(self.names(stage)?.filter_map(|name| job_of(&name)))
    }

    /// Names in the inbox that look like jobs but cannot be: they are left where they are.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn strangers(&self) -> Result<Vec<String>> {
        let is_stranger = |name: &String| {
            !name.starts_with('.') && !name.ends_with('~') && job_of(name).is_none()
        };
        Ok(self.names(Stage::Inbox)?.filter(is_stranger).collect())
    }

    fn names(&self, stage: Stage) -> Result<impl Iterator<Item = String> + use<>> {
        let dir = self.stage(stage);
        let entries = std::fs::read_dir(&dir).at("read", &dir)?;
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()))
    }

    /// Reads a job's file, never following a link and never more than the limit.
    ///
    /// # Errors
    /// Says why the file is no job file.
    pub fn read_job(&self, stage: Stage, id: &JobId) -> Result<String, UnreadableJob> {
        read_text(&self.job_file(stage, id))
    }

    /// Moves a job's file from one folder to another: one atomic rename that never overwrites.
    pub(crate) fn rename(&self, id: &JobId, from: Stage, to: Stage) -> Result<()> {
        let (old, new) = (self.job_file(from, id), self.job_file(to, id));
        match rename_new(&old, &new) {
            Err(e)
                if e.kind() == io::ErrorKind::NotFound
                    && new.parent().is_some_and(Path::is_dir) =>
            {
                Err(StoreError::Moved(id.clone()))
            }
            other => other.at("move the job file to", &new),
        }
    }
}

/// The job that a file name means.
pub fn job_of(file_name: &str) -> Option<JobId> {
    JobId::new(file_name.strip_suffix(".md")?).ok()
}
/// Refuses a directory that a record would name wrongly: what it holds is text.
pub(super) fn require_text(dir: &Path) -> Result<()> {
    match dir.to_str() {
        Some(_) => Ok(()),
        None => Err(StoreError::NotText(dir.to_owned())),
    }
}
