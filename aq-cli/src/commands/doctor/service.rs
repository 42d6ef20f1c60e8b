//! The service that keeps a loop at work: another `PATH` than the shell's, and an end at logout.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aq_runner::run::{QueueSettings, RunLoop};
use aq_runner::store::QueueDir;

use super::CliContext;
use crate::output::doctor::DoctorFinding;

/// The `PATH` of user services that set none.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A unit or property list that starts a loop of this queue.
#[derive(Debug)]
struct ServiceUnit {
    path: PathBuf,
    text: String,
    is_systemd: bool,
}

/// Faults of the services of a queue; none where there is no service.
pub(super) fn look(
    here: &CliContext,
    queue: &QueueDir,
    settings: &QueueSettings,
) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    let units = units(here, queue);
    for unit in &units {
        let missing = not_on_path(&search_path(unit), here, settings);
        if missing.is_empty() {
            continue;
        }
        let again = if unit.is_systemd {
            "`aq service` prints a unit; give it `Environment=PATH=...` with that directory, then \
             `systemctl --user daemon-reload` and restart it"
        } else {
            "`aq service --launchd` prints a list; give it that directory in PATH of \
             `EnvironmentVariables`, and load it again"
        };
        findings.push(DoctorFinding::doubtful(
            format!(
                "the service {} has another PATH than this shell, without {}",
                unit.path.display(),
                missing.join(", ")
            ),
            again,
        ));
    }
    if units.iter().any(|unit| unit.is_systemd) {
        findings.extend(lingers());
    }
    findings
}

fn units(here: &CliContext, queue: &QueueDir) -> Vec<ServiceUnit> {
    let config = here.environment.path("XDG_CONFIG_HOME").filter(|dir| dir.is_absolute());
    let config = config.or_else(|| Some(here.home()?.join(".config")));
    let systemd = config.map(|dir| (dir.join("systemd/user"), "service"));
    let launchd = here.home().map(|home| (home.join("Library/LaunchAgents"), "plist"));
    let mut found = Vec::new();
    for (dir, kind) in systemd.into_iter().chain(launchd) {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        for path in paths.filter(|path| path.extension().is_some_and(|end| end == kind)) {
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let is_systemd = kind == "service";
            if names_queue(&text, is_systemd, queue.root()) {
                found.push(ServiceUnit { path, text, is_systemd });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Answers whether a unit starts a loop of the queue, whose path is a word of it.
fn names_queue(text: &str, is_systemd: bool, queue: &Path) -> bool {
    let queue = queue.to_string_lossy();
    let (text, begins) = if is_systemd {
        let plain = text.replace("%%", "%").replace("$$", "$").replace("\\\\", "\\");
        (plain, "ExecStart=")
    } else {
        let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        (plain, "")
    };
    let ends =
        |rest: &str| !rest.starts_with(|c: char| c == '/' || c == '-' || c.is_alphanumeric());
    let names =
        |line: &str| line.match_indices(&*queue).any(|(at, found)| ends(&line[at + found.len()..]));
    text.lines().filter(|line| line.trim_start().starts_with(begins)).any(names)
}

/// The `PATH` that a unit gives to its loop.
fn search_path(unit: &ServiceUnit) -> String {
    let set = if unit.is_systemd {
        unit.text.lines().rev().find_map(|line| {
            let set = line.trim().strip_prefix("Environment=")?;
            // Every second part is in quotes, and is one word.
            let parts = set.split('"').enumerate();
            let words = parts.flat_map(|(n, part)| match n % 2 {
                1 => vec![part],
                _ => part.split(' ').collect(),
            });
            words.filter_map(|word| word.strip_prefix("PATH=")).last().map(str::to_owned)
        })
    } else {
        let value = unit.text.split_once("<key>PATH</key>").map(|(_, rest)| rest);
        let value = value.and_then(|rest| rest.split_once("<string>")?.1.split_once("</string>"));
        value.map(|(value, _)| value.to_owned())
    };
    set.unwrap_or_else(|| DEFAULT_PATH.to_owned())
}

/// Programs that jobs need and that are on this shell's `PATH`, but not on the service's.
fn not_on_path(path: &str, here: &CliContext, settings: &QueueSettings) -> Vec<String> {
    let theirs: BTreeSet<PathBuf> = std::env::split_paths(path).collect();
    let mine = here.environment.get("PATH").unwrap_or_default();
    let mine: Vec<PathBuf> = std::env::split_paths(&mine).collect();
    let engines = settings.engines.info().into_iter();
    let engines = engines.filter_map(|engine| Some((engine.name, engine.binary.ok()?)));
    let git = mine.iter().map(|dir| dir.join("git")).find(|git| git.is_file());
    let programs = engines.chain(git.map(|git| ("git".to_owned(), git)));
    let is_missing = |program: &PathBuf| {
        let (Some(dir), Some(name)) = (program.parent(), program.file_name()) else { return false };
        let is_theirs = theirs.iter().any(|dir| dir.join(name).is_file());
        // What a variable names is not found by any PATH.
        mine.iter().any(|known| known == dir) && !is_theirs
    };
    programs
        .filter(|(_, program)| is_missing(program))
        .map(|(name, program)| format!("{name} ({})", program.display()))
        .collect()
}

/// The warning that user services end when the user logs out.
fn lingers() -> Option<DoctorFinding> {
    let user = nix::unistd::getuid().to_string();
    let mut ask = Command::new("loginctl");
    ask.args(["show-user", &user, "--property=Linger"]).stdin(Stdio::null());
    let output = ask.output().ok().filter(|output| output.status.success())?;
    let says_no = String::from_utf8_lossy(&output.stdout).lines().any(|line| line == "Linger=no");
    says_no.then(|| {
        DoctorFinding::doubtful(
            "the service ends when you log out: lingering is off",
            "`loginctl enable-linger` keeps it at work",
        )
    })
}

/// Compares the program of the loop that is at work with this one.
pub(super) fn release(here: &CliContext, found: &RunLoop) -> DoctorFinding {
    let good = || DoctorFinding::good("a run loop is at work");
    let (Ok(theirs), Ok(mine)) =
        (std::fs::read_link(format!("/proc/{}/exe", found.pid)), here.program())
    else {
        return good();
    };
    let mend = "`aq stop` ends it and leaves agents at work; then start it again";
    let shown = theirs.to_string_lossy();
    if let Some(gone) = shown.strip_suffix(" (deleted)") {
        return DoctorFinding::doubtful(
            format!("the run loop is an older aq: {gone} was replaced since it was started"),
            mend,
        );
    }
    // The same program under two names is no other one.
    let is_same = |a: &Path, b: &Path| {
        use std::os::unix::fs::MetadataExt as _;
        let file = |path: &Path| path.metadata().map(|about| (about.dev(), about.ino())).ok();
        file(a).is_some() && file(a) == file(b)
    };
    if is_same(&theirs, &mine) {
        return good();
    }
    DoctorFinding::doubtful(
        format!(
            "the run loop is another aq than this one: {shown}, and this is {}",
            mine.display()
        ),
        mend,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(text: &str, is_systemd: bool) -> ServiceUnit {
        ServiceUnit { path: "u".into(), text: text.to_owned(), is_systemd }
    }

    #[test]
    fn units_name_queue_and_path() {
        let text = "[Service]\nEnvironment=\"HOME=/h\" \"PATH=/a b:/c\"\n\
                    ExecStart=/bin/aq --queue /q/50%%-a run --max 1\n";
        let names = |queue: &str| names_queue(text, true, Path::new(queue));
        assert_eq!((names("/q/50%-a"), names("/q/50%"), names("/q")), (true, false, false));
        let path = |text: &str| search_path(&unit(text, true));
        assert_eq!(path(text), "/a b:/c");
        assert_eq!(path("Environment=PATH=/a:/b LANG=C\n"), "/a:/b");
        assert_eq!(path("Environment=LANG=C\n"), DEFAULT_PATH);
        let plist = "<string>/q &amp; a</string><key>PATH</key>\n  <string>/c:/d</string>";
        assert!(names_queue(plist, false, Path::new("/q & a")));
        assert_eq!(search_path(&unit(plist, false)), "/c:/d");
    }
}
