//! Looking at the settings of engines for what makes unattended runs go wrong.

use std::fs::{File, OpenOptions, read_dir};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::engine::{EnginePitfall, SettingsPlace};

use crate::run::agent_env::is_taken_out;
use crate::run::settings::QueueSettings;

/// The longest settings file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;
/// The most entries of a directory that are looked at.
const ENTRIES_MAX: usize = 1000;

/// The settings with which runs of an engine go wrong: the user's, and those of the repository that
/// `cwd` is in. Starts nothing; who wrote the files does not matter.
pub fn engine_pitfalls(
    settings: &QueueSettings,
    engine: &str,
    cwd: Option<&Path>,
) -> Vec<EnginePitfall> {
    let env = |name: &str| settings.environment.get(name);
    let repository = cwd.map(|cwd| top_of(cwd).unwrap_or(cwd).to_owned());
    let places = settings.engines.settings_places(engine, &env, repository.as_deref());
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut found = Vec::new();
    for place in places {
        if !seen.contains(&place.path) {
            found.extend(in_place(&place));
            seen.push(place.path);
        }
    }
    let given = |name: &str| env(name).filter(|_| !is_taken_out(settings, name));
    found.extend(settings.engines.variable_pitfalls(engine, &given));
    found
}

fn in_place(place: &SettingsPlace) -> Vec<EnginePitfall> {
    if let Some(endings) = place.endings() {
        let entries = read_dir(&place.path).into_iter().flatten().take(ENTRIES_MAX).flatten();
        let mut names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_any = names.any(|name| endings.iter().any(|ending| name.ends_with(ending)));
        return place.of_directory().filter(|_| is_any).into_iter().collect();
    }
    match read(&place.path) {
        Ok(text) => place.of_text(&text),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Vec::new()
        }
        Err(e) => vec![place.of_unreadable(&e.to_string())],
    }
}

/// A link is followed: many keep their settings elsewhere. Nothing in the file's place is waited
/// for.
fn read(path: &Path) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if about.len() > FILE_MAX {
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    let mut bytes = Vec::new();
    File::take(file, FILE_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The top of the repository that a directory is in.
fn top_of(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|dir| dir.join(".git").exists())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::run::ProcessEnvironment;

    fn settings(home: &Path, more: &[(&str, &str)]) -> QueueSettings {
        let home = home.to_str().unwrap();
        let variables = [("HOME", home)].into_iter().chain(more.iter().copied());
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        QueueSettings::without_queue(ProcessEnvironment::new(variables)).unwrap()
    }

    fn put(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn files_of_user_and_repository_are_read() {
        let (home, repository) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cwd = repository.path().join("a/b");
        fs::create_dir_all(&cwd).unwrap();
        fs::create_dir(repository.path().join(".git")).unwrap();
        let settings = settings(home.path(), &[]);
        assert_eq!(engine_pitfalls(&settings, "claude", Some(&cwd)), []);
        let text = "{\"permissions\": {\"deny\": [\"Bash\"]}}";
        let mine = home.path().join(".claude/settings.json");
        let theirs = repository.path().join(".claude/settings.json");
        put(&mine, text);
        put(&theirs, text);
        put(&repository.path().join(".opencode/plugin/x.js"), "");
        let places = |engine: &str, cwd: Option<&Path>| -> Vec<String> {
            engine_pitfalls(&settings, engine, cwd).into_iter().map(|one| one.place).collect()
        };
        let shown = [&mine, &theirs].map(|path| path.display().to_string());
        assert_eq!(places("claude", Some(&cwd)), shown);
        assert_eq!(places("claude", None), shown[..1]);
        assert_eq!(places("opencode", Some(&cwd)).len(), 1);
        // In the home directory, both are one.
        assert_eq!(places("claude", Some(home.path())), shown[..1]);
    }

    #[test]
    fn what_is_no_small_file_is_named() {
        let home = tempfile::tempdir().unwrap();
        let settings = settings(home.path(), &[]);
        let file = home.path().join(".claude/settings.json");
        let effect = || engine_pitfalls(&settings, "claude", None)[0].effect.clone();
        put(&file, &" ".repeat(1 << 21));
        assert!(effect().contains("more than 1 MiB"), "{}", effect());
        fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(effect().contains("it is no file"), "{}", effect());
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("settings.json", &file).unwrap();
        assert!(effect().contains("cannot be looked at"), "{}", effect());
    }

    #[test]
    fn variables_that_no_agent_gets_are_harmless() {
        let home = tempfile::tempdir().unwrap();
        let name = "CLAUDE_CODE_SKIP_PROMPT_HISTORY";
        let mut settings = settings(home.path(), &[(name, "1")]);
        assert_eq!(engine_pitfalls(&settings, "claude", None)[0].place, name);
        settings.config.env_deny = vec!["CLAUDE_CODE_*".to_owned()];
        assert_eq!(engine_pitfalls(&settings, "claude", None), []);
    }
}
