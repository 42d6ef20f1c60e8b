//! The queue that is meant, for those who look and for those who change or run something.

use std::path::{Path, PathBuf};

use aq_runner::run::place::{
    PROJECT_QUEUE, PlaceError, QueueOrigin, QueuePlace, QueueSearch, RepositoryStanding,
    TrustError, UntrustedQueue, find_queue, follow_relocation, is_first_pass, make_missing_queue,
    pending_relocation, require_trust,
};
use aq_runner::store::{QueueDir, StoreError};

use super::CliContext;
use crate::exit::{CliExit, CliFailure};
use crate::output;

impl CliContext {
    /// The queue that is meant, whether it is there or not.
    pub(crate) fn place(&self) -> Result<&QueuePlace, CliFailure> {
        if let Some(place) = self.place.get() {
            return Ok(place);
        }
        // Who names a queue may be in a directory that is gone.
        let cwd = match self.named {
            Some(_) => PathBuf::new(),
            None => self.cwd()?,
        };
        let search =
            QueueSearch { named: self.named.as_deref(), cwd: &cwd, environment: &self.environment };
        let place = find_queue(&search)?;
        Ok(self.place.get_or_init(|| place))
    }

    /// The directory of the queue that is meant, whether it is there or not.
    pub(crate) fn queue_path(&self) -> Result<&Path, CliFailure> {
        let place = self.place()?;
        place.path.as_deref().ok_or_else(|| no_queue(place))
    }

    /// The queue, which must be there, for those who only look. Says what is to be known of it.
    pub(crate) fn queue(&self) -> Result<QueueDir, CliFailure> {
        let queue = self.open()?;
        if !self.is_noticed.replace(true) {
            self.name_passed_over()?;
            if let Some(untrusted) = self.untrusted(&queue) {
                let text = format!("warning: {untrusted}; nothing of it is run or changed");
                output::warning(&output::style::plain(&text));
            }
            match pending_relocation(&queue, self.place()?) {
                Ok(Some(moved)) if moved.from != moved.to => output::warning(&format!(
                    "warning: {} was moved to {}; the next command that changes the queue \
                     follows it",
                    shown(&moved.from),
                    shown(&moved.to)
                )),
                // Where only the queue is elsewhere, nobody has to know.
                Ok(_) => {}
                Err(e) => output::warning(&output::style::plain(&format!("warning: {e}"))),
            }
        }
        Ok(queue)
    }

    /// The queue, which must be there, for those who change or run something: it is trusted, and
    /// follows a project that was moved.
    pub(crate) fn trusted_queue(&self) -> Result<QueueDir, CliFailure> {
        let queue = self.open()?;
        self.take_over(&queue)?;
        Ok(queue)
    }

    /// The queue, if it is there, for those who only look.
    pub(crate) fn queue_if_any(&self) -> Result<Option<QueueDir>, CliFailure> {
        match self.place()?.path.as_deref().map(QueueDir::open) {
            None | Some(Err(StoreError::NoQueue(_) | StoreError::Incomplete { .. })) => Ok(None),
            Some(Err(e)) => Err(e.into()),
            Some(Ok(_)) => self.queue().map(Some),
        }
    }

    /// The queue, for those who change something, made when it is not there; says so, because it
    /// may be made where nobody looks.
    pub(crate) fn queue_or_new(&self) -> Result<QueueDir, CliFailure> {
        let place = self.place()?;
        match place.path.as_deref().map(QueueDir::open) {
            // Folders of a queue in the middle of a project are nobody's wish.
            Some(Err(StoreError::Incomplete { root, .. })) if self.is_other_dir(&root) => {
                return Err(no_queue(place));
            }
            None | Some(Err(StoreError::NoQueue(_) | StoreError::Incomplete { .. })) => {}
            Some(Err(e)) => return Err(e.into()),
            Some(Ok(queue)) => {
                self.take_over(&queue)?;
                return Ok(self.with_profiles(queue));
            }
        }
        self.name_passed_over()?;
        let made = make_missing_queue(place, &self.environment)?;
        require_trust(&made.queue, &self.environment)?;
        output::warning(&format!("made a queue at {}", shown(made.queue.root())));
        Ok(self.with_profiles(made.queue))
    }

    /// The queue without a word, for a shell that completes names.
    pub(crate) fn silent_queue(&self) -> Result<QueueDir, CliFailure> {
        self.open()
    }

    /// The cause that nothing of a queue is run; `None` when it is trusted.
    pub(crate) fn untrusted(&self, queue: &QueueDir) -> Option<UntrustedQueue> {
        require_trust(queue, &self.environment).err()
    }

    /// The folder of the profiles, whether there is a queue or not.
    pub(crate) fn profiles(&self) -> Result<PathBuf, CliFailure> {
        if let Some(profiles) = self.environment.profiles() {
            return Ok(profiles);
        }
        match &self.place()?.path {
            Some(queue) => Ok(queue.join("profiles")),
            None => Ok(self.cwd()?.join(PROJECT_QUEUE).join("profiles")),
        }
    }

    /// Checks that a queue is trusted, and has it follow a project that was moved.
    pub(crate) fn take_over(&self, queue: &QueueDir) -> Result<(), CliFailure> {
        self.name_passed_over()?;
        require_trust(queue, &self.environment)?;
        let Some(report) = follow_relocation(queue, self.place()?)? else { return Ok(()) };
        if report.from != report.to {
            output::warning(&format!(
                "{} was moved to {}: {} of the queue's jobs now work there",
                shown(&report.from),
                shown(&report.to),
                report.jobs
            ));
        }
        for problem in report.problems {
            output::warning(&output::style::plain(&format!("warning: {problem}")));
        }
        Ok(())
    }

    fn open(&self) -> Result<QueueDir, CliFailure> {
        match QueueDir::open(self.queue_path()?) {
            Ok(queue) => Ok(self.with_profiles(queue)),
            Err(StoreError::NoQueue(_)) => Err(no_queue(self.place()?)),
            Err(StoreError::Incomplete { ref root, .. }) if self.is_other_dir(root) => {
                Err(no_queue(self.place()?))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// True for a directory that was named as a queue and holds other things, such as a project.
    fn is_other_dir(&self, root: &Path) -> bool {
        let origin = self.place.get().map(|place| place.origin);
        let is_named = matches!(origin, Some(QueueOrigin::Argument | QueueOrigin::Variable));
        is_named && has_entries(root) && !root.join(".state").exists()
    }

    fn with_profiles(&self, queue: QueueDir) -> QueueDir {
        match self.environment.profiles() {
            Some(profiles) => queue.with_profiles(profiles),
            None => queue,
        }
    }

    /// A `.aq/` above a repository is somebody's, and not of this repository.
    fn name_passed_over(&self) -> Result<(), CliFailure> {
        let place = self.place()?;
        if let (Some(above), Some(repository)) = (&place.passed_over, &place.repository)
            && is_first_pass(place, &self.environment)
        {
            output::warning(&format!(
                "warning: {} is not used for {}, which is a repository of its own; \
                 `--queue {}` names it",
                shown(above),
                shown(&repository.top),
                shown(above)
            ));
        }
        Ok(())
    }
}

fn shown(path: &Path) -> String {
    output::style::plain(&path.display().to_string())
}

fn no_queue(place: &QueuePlace) -> CliFailure {
    let message = match (place.origin, &place.path, &place.repository) {
        (QueueOrigin::Argument | QueueOrigin::Variable, Some(path), _) => {
            let source = if place.origin == QueueOrigin::Variable { "AQ_QUEUE" } else { "--queue" };
            no_queue_named(path, source)
        }
        (_, _, Some(repository)) => match &place.standing {
            RepositoryStanding::Copied { original } => {
                let (top, original) = (repository.top.clone(), original.clone());
                with_mend(&PlaceError::CopiedRepository { top, original })
            }
            _ => format!(
                "there is no queue for {}; `aq init` makes one, --queue names another",
                repository.top.display()
            ),
        },
        (_, Some(path), None) => format!(
            "there is no queue: no {PROJECT_QUEUE}/ here or above, and none at {}; \
             `aq init` makes one here, --queue names another",
            path.display()
        ),
        (_, None, None) => {
            return CliFailure::usage(
                "no queue is named, and HOME is not an absolute path; use --queue DIR or AQ_QUEUE",
            );
        }
    };
    CliFailure::new(CliExit::NotFound, message)
}

fn has_entries(dir: &Path) -> bool {
    dir.read_dir().is_ok_and(|mut entries| entries.next().is_some())
}

/// The message for a named directory that is no queue. It never advises to make one in the middle
/// of a project.
fn no_queue_named(path: &Path, source: &str) -> String {
    let (named, below) = (shown(path), path.join(PROJECT_QUEUE));
    if QueueDir::open(&below).is_ok() {
        let below = shown(&below);
        return format!("there is no queue at {named}, but one below it: {source} {below}");
    }
    if has_entries(path) {
        return format!(
            "{named} is no queue; {source} names the queue itself, and in {named} `aq path` prints \
             which one that is, `aq init` makes one"
        );
    }
    format!("there is no queue at {named}; `aq init {named}` makes one")
}

impl From<UntrustedQueue> for CliFailure {
    fn from(error: UntrustedQueue) -> Self {
        // The name of a directory that a stranger chose.
        Self::new(CliExit::Refused, output::style::plain(&error.to_string()))
    }
}

impl From<TrustError> for CliFailure {
    fn from(error: TrustError) -> Self {
        match error {
            TrustError::Store(error) => error.into(),
            TrustError::Exposed(_) => Self::new(CliExit::Refused, error),
            _ => Self::new(CliExit::Environment, error),
        }
    }
}

impl From<PlaceError> for CliFailure {
    fn from(error: PlaceError) -> Self {
        let exit = match error {
            PlaceError::Store(error) => return error.into(),
            PlaceError::RelativeHome(_) | PlaceError::NoHome | PlaceError::NotText(_) => {
                CliExit::Usage
            }
            PlaceError::CopiedRepository { .. } => CliExit::NotFound,
            PlaceError::CopiedQueue { .. } | PlaceError::InWorkTree { .. } => CliExit::Refused,
            _ => CliExit::Environment,
        };
        Self::new(exit, with_mend(&error))
    }
}

/// The error, and the command that mends it where there is one.
fn with_mend(error: &PlaceError) -> String {
    let mend = match error {
        PlaceError::NoHome => "; use --queue DIR",
        PlaceError::NotText(_) => ", or use --queue DIR",
        PlaceError::CopiedRepository { .. } => "; `aq init` makes one for the copy",
        PlaceError::CopiedQueue { .. } => ", and `aq init` makes a queue",
        _ => "",
    };
    format!("{error}{mend}")
}
