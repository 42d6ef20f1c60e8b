//! From a job's file to what applies to it: the file, its profile, where it was added.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use aq_manifest::{
    Diagnostic, FilePosition, JobId, JobSpec, Manifest, ParsedJobFile, Profile, Severity,
    has_errors,
};

use super::text::{UnreadableJob, read_saved};
use crate::disk::HostFault;

/// A job file that was understood.
#[derive(Clone, Debug)]
pub struct JobFile {
    /// The values that apply, its profile and the defaults included.
    pub spec: JobSpec,
    /// The prompt, as the file has it.
    pub body: String,
    /// Warnings that a user should look at, rendered; empty when there are none.
    pub warnings: String,
}

/// A job file, or its profile, that cannot be used: a report with the places and the mends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidJobFile {
    /// The first error in one line.
    pub summary: String,
    /// Everything, for a person to read.
    pub report: String,
    /// The place of the first error, where it has one.
    pub place: Option<ErrorPlace>,
    /// The number of the system's error, when a fault of the host keeps the file from being read:
    /// it may be in good order.
    pub(crate) host_error: Option<i32>,
}

/// A place in a file, as people count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPlace {
    /// The name of the file: the job's, or its profile's.
    pub file: String,
    /// The line and column, each from 1.
    pub position: FilePosition,
}

impl JobFile {
    /// The refusal of keys that a claim of the fleet sets, in the file of somebody else.
    ///
    /// # Errors
    /// The file has one of them.
    pub fn require_own(self, name: &str) -> Result<Self, InvalidJobFile> {
        if self.spec.fleet_job_id.is_none() && self.spec.fleet_lease_epoch.is_none() {
            return Ok(self);
        }
        let problem = "`fleet-job-id` and `fleet-lease-epoch` are set when the fleet grants a job, \
                       not by people: take them out";
        Err(InvalidJobFile::whole(name, problem))
    }

    /// The refusal of a job without a prompt: an agent that is asked nothing does anything.
    ///
    /// # Errors
    /// The prompt is empty.
    pub fn require_prompt(self, name: &str) -> Result<Self, InvalidJobFile> {
        if !self.body.trim().is_empty() {
            return Ok(self);
        }
        let problem = "the prompt is empty; write what is to be done below the front matter";
        Err(InvalidJobFile::whole(name, problem))
    }
}

impl fmt::Display for InvalidJobFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.report.trim_end())
    }
}

impl std::error::Error for InvalidJobFile {}

impl InvalidJobFile {
    /// A report of one line about the file as a whole.
    pub fn whole(name: &str, problem: impl fmt::Display) -> Self {
        let report = format!("error: {name}: {problem}\n");
        Self { summary: problem.to_string(), report, place: None, host_error: None }
    }

    /// A report of one line about a problem that names the file by itself.
    pub fn named(problem: impl fmt::Display) -> Self {
        let report = format!("error: {problem}\n");
        Self { summary: problem.to_string(), report, place: None, host_error: None }
    }

    /// A file that the system refuses to read.
    pub(crate) fn unreadable(name: &str, problem: &UnreadableJob) -> Self {
        let host_error = match problem {
            UnreadableJob::Io(e) => HostFault::of_error(e).and(e.raw_os_error()),
            _ => None,
        };
        Self { host_error, ..Self::whole(name, problem) }
    }

    fn from_diagnostics(
        name: &str,
        source: &str,
        diagnostics: &[Diagnostic],
        colour: bool,
    ) -> Self {
        let first = diagnostics.iter().find(|d| d.severity == Severity::Error);
        let place = first.map(|d| {
            let position = d.position(source);
            ErrorPlace { file: name.to_owned(), position }
        });
        let summary = first.map_or_else(String::new, |d| {
            let at = d.position(source);
            format!("line {}, column {}: {}", at.line, at.column, d.message)
        });
        let report = aq_manifest::render(name, source, diagnostics, colour);
        Self { summary, report, place, host_error: None }
    }
}

/// Reads a job file's text, and its profile from the folder of the profiles.
///
/// `name` is what messages call the file.
///
/// # Errors
/// Every error in the file, or that of its profile, each with its place.
pub fn load(
    profiles: &Path,
    name: &str,
    source: &str,
    colour: bool,
) -> Result<JobFile, InvalidJobFile> {
    let (manifest, profile, body, warnings) = understand(profiles, name, source, colour)?;
    let spec = aq_manifest::resolve(&manifest, profile.as_ref());
    Ok(JobFile { spec, body: body.to_owned(), warnings })
}

/// Reads a job's file and its profile, each for itself, the prompt, and warnings.
pub(super) fn understand<'a>(
    profiles: &Path,
    name: &str,
    source: &'a str,
    colour: bool,
) -> Result<(Manifest, Option<Profile>, &'a str, String), InvalidJobFile> {
    let ParsedJobFile { manifest, body, mut diagnostics, profile_at, .. } =
        aq_manifest::parse(source);
    let mut profile = None;
    if let Some(wanted) = &manifest.profile {
        match load_profile(profiles, wanted, colour) {
            Ok(found) => profile = Some(found),
            Err(ProfileError::Missing(message)) => diagnostics.push(Diagnostic {
                severity: Severity::Error,
                message,
                span: profile_at.unwrap_or(0..0),
                help: Some(format!("write {wanted}.yaml there, or name another profile")),
            }),
            Err(ProfileError::Invalid(invalid)) => return Err(invalid),
        }
    }
    if has_errors(&diagnostics) {
        return Err(InvalidJobFile::from_diagnostics(name, source, &diagnostics, colour));
    }
    let warnings = match diagnostics.as_slice() {
        [] => String::new(),
        some => aq_manifest::render(name, source, some, colour),
    };
    Ok((manifest, profile, body, warnings))
}

/// Reason why a profile cannot be used.
#[derive(Debug)]
pub enum ProfileError {
    /// There is none of this name; says which there are.
    Missing(String),
    /// Its file has errors.
    Invalid(InvalidJobFile),
}

/// Reads a profile by name.
///
/// # Errors
/// It is missing or has errors.
pub fn load_profile(profiles: &Path, name: &str, colour: bool) -> Result<Profile, ProfileError> {
    let missing = || {
        let names = profile_names(profiles);
        let known = if !profiles.is_dir() {
            "that is no directory".to_owned()
        } else if names.is_empty() {
            "it is empty".to_owned()
        } else {
            format!("it has {}", names.join(", "))
        };
        ProfileError::Missing(format!(
            "there is no profile {name:?} in {}; {known}",
            profiles.display()
        ))
    };
    // A profile's name has the grammar of a job's, so it cannot lead out of the folder.
    let Ok(id) = JobId::new(name) else { return Err(missing()) };
    let path = profiles.join(format!("{id}.yaml"));
    let shown = path.display().to_string();
    let source = match read_saved(&path) {
        Ok(source) => source,
        Err(e) if e.is_not_found() => return Err(missing()),
        Err(e) => return Err(ProfileError::Invalid(InvalidJobFile::unreadable(&shown, &e))),
    };
    let parsed = aq_manifest::parse_profile(name, &source);
    if parsed.has_errors() {
        let invalid =
            InvalidJobFile::from_diagnostics(&shown, &source, &parsed.diagnostics, colour);
        return Err(ProfileError::Invalid(invalid));
    }
    Ok(parsed.profile)
}

/// The names of the profiles in a folder, sorted.
pub fn profile_names(profiles: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(profiles) else { return Vec::new() };
    let name_of = |entry: std::fs::DirEntry| {
        let file = entry.file_name().into_string().ok()?;
        JobId::new(file.strip_suffix(".yaml")?).ok().map(|id| id.to_string())
    };
    let mut names: Vec<_> = entries.flatten().filter_map(name_of).collect();
    names.sort();
    names
}

/// The directory that a job works in, absolute: `cwd` against `base`, `~` against `home`.
/// Links are resolved where the directory exists, so that one directory has one lock.
pub fn resolve_cwd(cwd: Option<&str>, base: &Path, home: Option<&Path>) -> PathBuf {
    let joined = match (cwd, home) {
        (None, _) => base.to_owned(),
        (Some("~"), Some(home)) => home.to_owned(),
        (Some(cwd), home) => match (cwd.strip_prefix("~/"), home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => base.join(cwd),
        },
    };
    joined.canonicalize().unwrap_or_else(|_| without_dots(&joined))
}

/// Tests for a `cwd` whose `~` nobody can resolve.
pub(super) fn lacks_home(cwd: Option<&str>, home: Option<&Path>) -> bool {
    home.is_none() && cwd.is_some_and(|cwd| cwd == "~" || cwd.starts_with("~/"))
}

/// The path without `.` and `..`, by its letters only.
fn without_dots(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_against_its_base_and_the_home() {
        let (base, home) = (Path::new("/base/dir"), Some(Path::new("/home/me")));
        for (cwd, want) in [
            (None, "/base/dir"),
            (Some("sub"), "/base/dir/sub"),
            (Some("./a/../b/."), "/base/dir/b"),
            (Some("../up"), "/base/up"),
            (Some("/abs"), "/abs"),
            (Some("~"), "/home/me"),
            (Some("~/x"), "/home/me/x"),
            (Some("~other"), "/base/dir/~other"),
        ] {
            assert_eq!(resolve_cwd(cwd, base, home), Path::new(want), "{cwd:?}");
        }
    }

    #[test]
    fn unreadable_file_may_be_good() {
        let unread = |number| {
            let problem = UnreadableJob::Io(std::io::Error::from_raw_os_error(number));
            InvalidJobFile::unreadable("a.md", &problem).host_error
        };
        assert_eq!(unread(nix::libc::EMFILE), Some(nix::libc::EMFILE));
        assert_eq!(unread(nix::libc::ENOENT), None);
        assert_eq!(InvalidJobFile::unreadable("a.md", &UnreadableJob::NotAFile).host_error, None);
    }

    #[test]
    fn one_directory_has_one_name() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap().join("real");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, dir.path().join("link")).unwrap();
        assert_eq!(resolve_cwd(Some("link"), dir.path(), None), real);
    }

    #[test]
    fn missing_profile_names_others() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), "priority: low\n").unwrap();
        std::fs::write(dir.path().join("not a profile.yaml"), "").unwrap();
        assert_eq!(profile_names(dir.path()), ["a"]);
        let load =
            |front: &str| load(dir.path(), "j.md", &format!("---\n{front}\n---\nx\n"), false);
        assert_eq!(load("profile: a").unwrap().spec.priority, aq_manifest::Priority::Low);
        let invalid = load("profile: b").unwrap_err();
        assert!(invalid.summary.starts_with("line 2, column 10: "), "{}", invalid.summary);
        assert!(invalid.report.contains("it has a"), "{}", invalid.report);
        for outside in ["../a", "/a"] {
            assert!(matches!(
                load_profile(dir.path(), outside, false),
                Err(ProfileError::Missing(_))
            ));
        }
    }

    #[test]
    fn a_bad_profile_is_shown_in_its_own_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), "lock: x\nyolo: maybe\n").unwrap();
        let invalid = load(dir.path(), "j.md", "---\nprofile: a\n---\n", false).unwrap_err();
        assert!(invalid.report.contains("a.yaml:2:7"), "{}", invalid.report);
    }
}
