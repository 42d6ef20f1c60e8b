//! Settings of the user's that have an effect in the job's own repository: what git says that
//! applies in his, less what belongs to the place, what would run or share something of his, and
//! what is secret.

use std::collections::HashMap;
use std::path::Path;

/// One setting as `git config --list --show-scope --show-origin -z` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GitSetting {
    /// `local`, `worktree`, `global`, `system` or `command`.
    scope: Vec<u8>,
    /// The key with section and name in lower case.
    key: String,
    /// `None` for a key without `=`, which is true.
    value: Option<Vec<u8>>,
}

/// Reads the output of that command. What is no UTF-8 in a key is no key of a setting that counts.
pub(super) fn parse(output: &[u8]) -> Vec<GitSetting> {
    let mut fields = output.split(|&byte| byte == 0);
    let mut settings = Vec::new();
    while let (Some(scope), Some(_origin), Some(entry)) =
        (fields.next(), fields.next(), fields.next())
    {
        let end = entry.iter().position(|&byte| byte == b'\n');
        let (key, value) = match end {
            Some(end) => (&entry[..end], Some(entry[end + 1..].to_vec())),
            None => (entry, None),
        };
        if let Ok(key) = str::from_utf8(key) {
            settings.push(GitSetting { scope: scope.to_vec(), key: key.to_owned(), value });
        }
    }
    settings
}

/// The settings that a repository has of its own, less what is secret, in the form that [`parse`]
/// reads. [`render`] makes the same of them.
pub(super) fn text_to_remember(settings: &[GitSetting]) -> Vec<u8> {
    let mut text = Vec::new();
    for one in settings.iter().filter(|one| one.is_of_repository()) {
        let branch = [one.subsection()];
        if !counts(one, &branch) {
            continue;
        }
        text.extend([&one.scope, &b"\0\0"[..], one.key.as_bytes()].concat());
        if let Some(value) = &one.value {
            text.push(b'\n');
            text.extend(if is_address(one) { without_password(value) } else { value.clone() });
        }
        text.push(0);
    }
    text
}

impl GitSetting {
    fn is_scope(&self, scopes: &[&str]) -> bool {
        scopes.iter().any(|scope| scope.as_bytes() == self.scope)
    }

    /// Whether the repository, or a worktree of it, has this.
    pub(super) fn is_of_repository(&self) -> bool {
        self.is_scope(&["local", "worktree"])
    }

    /// Whether one checkout of the repository has this, and others have not.
    pub(super) fn is_of_worktree(&self) -> bool {
        self.is_scope(&["worktree"])
    }

    /// Whether it is in a file of the user's or the system's.
    fn is_of_user(&self) -> bool {
        self.is_scope(&["global", "system"])
    }

    /// Whether it makes git read a further file.
    fn is_include(&self) -> bool {
        self.section() == "include" || self.section() == "includeif"
    }

    fn section(&self) -> &str {
        self.key.split('.').next().unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.key.rsplit('.').next().unwrap_or_default()
    }

    /// What is between section and name; empty where there is nothing.
    fn subsection(&self) -> &str {
        let start = self.section().len() + 1;
        let end = self.key.len() - self.name().len();
        self.key.get(start..end.saturating_sub(1)).unwrap_or_default()
    }

    fn is_bad(&self) -> bool {
        self.key.contains(['\0', '\n']) || !self.key.contains('.')
    }
}

/// Whether files of the user's include others, which may depend on where a repository is.
pub(super) fn has_includes(settings: &[GitSetting]) -> bool {
    settings.iter().any(|setting| setting.is_of_user() && setting.is_include())
}

/// The settings of the user's files that do not hold at the job's place: those that `here` lacks.
pub(super) fn lost_at(here: &[GitSetting], settings: &[GitSetting]) -> Vec<GitSetting> {
    let mut known: HashMap<(&str, &Option<Vec<u8>>), usize> = HashMap::new();
    for setting in here.iter().filter(|setting| setting.is_of_user()) {
        *known.entry((&setting.key, &setting.value)).or_default() += 1;
    }
    let lost = settings.iter().filter(|setting| setting.is_of_user()).filter(|setting| match known
        .get_mut(&(setting.key.as_str(), &setting.value))
    {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    lost.cloned().collect()
}

/// Facts for a job's repository, beside the user's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobSettings<'a> {
    /// Where relative addresses of remotes lead from.
    pub(super) top: &'a Path,
    /// The branches that the job has beside its own, as people name them.
    pub(super) branches: &'a [&'a str],
    /// Whether names of commits have 64 digits.
    pub(super) is_sha256: bool,
}

/// The text of the job's own configuration.
pub(super) fn render<'a>(
    settings: impl IntoIterator<Item = &'a GitSetting>,
    place: JobSettings<'_>,
) -> Vec<u8> {
    let mut text = Vec::new();
    let version = if place.is_sha256 { "1" } else { "0" };
    let mut put = |key: &str, value: Option<&[u8]>| write(&mut text, key, value);
    put("core.repositoryformatversion", Some(version.as_bytes()));
    if place.is_sha256 {
        put("extensions.objectformat", Some(b"sha256"));
    }
    put("core.bare", Some(b"false"));
    put("core.logallrefupdates", Some(b"true"));
    for setting in settings {
        if let Some(remote) = promisor(setting) {
            put(&format!("remote.{remote}.promisor"), Some(b"true"));
        }
        if !counts(setting, place.branches) {
            continue;
        }
        let value = match (&setting.value, is_address(setting)) {
            (Some(value), true) => Some(absolute(&without_password(value), place.top)),
            (value, _) => value.clone(),
        };
        put(&setting.key, value.as_deref());
    }
    // Objects that git throws away here may be all that is left of an agent's work.
    put("gc.auto", Some(b"0"));
    put("maintenance.auto", Some(b"false"));
    text
}

/// The remote of a partial clone as git named it before it was a setting of the remote.
fn promisor(setting: &GitSetting) -> Option<&str> {
    let is_it = setting.is_of_repository() && setting.key == "extensions.partialclone";
    str::from_utf8(setting.value.as_deref()?).ok().filter(|_| is_it)
}

/// Whether a setting means the same in the job's repository, and may be known there.
fn counts(setting: &GitSetting, branches: &[&str]) -> bool {
    if setting.is_bad() || setting.is_include() {
        return false;
    }
    let name = setting.name();
    match setting.section() {
        // The place, the format on disk, and programs that run unasked.
        "core" => !matches!(
            name,
            "bare"
                | "worktree"
                | "repositoryformatversion"
                | "logallrefupdates"
                | "fsmonitor"
                | "untrackedcache"
                | "splitindex"
                | "alternaterefscommand"
                | "sharedrepository"
        ),
        "extensions" | "gc" | "maintenance" | "aq" => false,
        // With the user's own store `git lfs prune` here would remove his only copies.
        "lfs" => !matches!(name, "storage" | "gitdir"),
        "branch" => branches.contains(&setting.subsection()),
        "remote" => !matches!(name, "uploadpack" | "receivepack" | "mirror"),
        // Tokens of build servers.
        "http" => name != "extraheader",
        "url" => {
            without_password(setting.subsection().as_bytes()) == setting.subsection().as_bytes()
        }
        _ => true,
    }
}

/// Whether the value names another repository.
fn is_address(setting: &GitSetting) -> bool {
    let name = setting.name();
    match setting.section() {
        "remote" => matches!(name, "url" | "pushurl"),
        "submodule" => name == "url",
        _ => false,
    }
}

/// An address without the password in it: `https://me:secret@host/x` -> `https://me@host/x`.
fn without_password(address: &[u8]) -> Vec<u8> {
    let Ok(text) = str::from_utf8(address) else { return address.to_vec() };
    let Some((scheme, rest)) = text.split_once("://") else { return address.to_vec() };
    let host_ends = rest.find('/').unwrap_or(rest.len());
    let Some((user, host)) = rest[..host_ends].rsplit_once('@') else { return address.to_vec() };
    let Some((name, _)) = user.split_once(':') else { return address.to_vec() };
    let path = &rest[host_ends..];
    let at = if name.is_empty() { "" } else { "@" };
    format!("{scheme}://{name}{at}{host}{path}").into_bytes()
}

/// The address of a repository on this machine as seen from everywhere.
fn absolute(address: &[u8], top: &Path) -> Vec<u8> {
    let Ok(text) = str::from_utf8(address) else { return address.to_vec() };
    let is_relative =
        text.starts_with("./") || text.starts_with("../") || text == "." || text == "..";
    match top.join(text).to_str() {
        Some(path) if is_relative => path.as_bytes().to_vec(),
        _ => address.to_vec(),
    }
}

fn write(text: &mut Vec<u8>, key: &str, value: Option<&[u8]>) {
    let Some((section, rest)) = key.split_once('.') else { return };
    text.extend(b"[");
    text.extend(section.as_bytes());
    let name = match rest.rsplit_once('.') {
        Some((subsection, name)) => {
            text.extend(b" \"");
            for byte in subsection.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    text.push(b'\\');
                }
                text.push(byte);
            }
            text.extend(b"\"");
            name
        }
        None => rest,
    };
    text.extend(b"]\n\t");
    text.extend(name.as_bytes());
    if let Some(value) = value {
        text.extend(b" = \"");
        for &byte in value {
            match byte {
                b'"' | b'\\' => text.extend([b'\\', byte]),
                b'\n' => text.extend(b"\\n"),
                b'\t' => text.extend(b"\\t"),
                8 => text.extend(b"\\b"),
                byte => text.push(byte),
            }
        }
        text.extend(b"\"");
    }
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(scope: &str, key: &str, value: &str) -> GitSetting {
        let (scope, value) = (scope.as_bytes().to_vec(), Some(value.as_bytes().to_vec()));
        GitSetting { scope, key: key.to_owned(), value }
    }

    fn rendered(settings: &[GitSetting]) -> String {
        let place =
            JobSettings { top: Path::new("/home/me/app"), branches: &["main"], is_sha256: false };
        String::from_utf8(render(settings, place)).unwrap()
    }

    #[test]
    fn a_list_is_read_entry_by_entry() {
        let output = b"local\0file:.git/config\0core.x\na\nb\0global\0file:/g\0core.y\0";
        let parsed = parse(output);
        assert_eq!(parsed.len(), 2);
        assert_eq!(parsed[0], setting("local", "core.x", "a\nb"));
        assert_eq!((parsed[1].key.as_str(), &parsed[1].value), ("core.y", &None));
        assert!(parsed[1].is_of_user() && !parsed[1].is_of_repository());
    }

    #[test]
    fn what_belongs_to_the_place_stays_there() {
        for key in [
            "core.worktree",
            "core.bare",
            "core.fsmonitor",
            "extensions.worktreeconfig",
            "include.path",
            "includeif.gitdir:/x.path",
            "aq.id",
            "lfs.storage",
            "branch.other.remote",
            "remote.origin.uploadpack",
            "http.https://host/.extraheader",
            "url.https://me:secret@host/.insteadof",
        ] {
            let text = rendered(&[setting("local", key, "unlikely")]);
            assert!(!text.contains("unlikely"), "{key}: {text}");
        }
        for key in ["user.email", "branch.main.remote", "filter.c.clean", "hook.x.command"] {
            let text = rendered(&[setting("local", key, "likely")]);
            assert!(text.contains("likely"), "{key}: {text}");
        }
    }

    #[test]
    fn addresses_lose_passwords_and_lead_to_the_same_place() {
        for (url, want) in [
            ("https://me:secret@host/x.git", "https://me@host/x.git"),
            ("https://:token@host/x", "https://host/x"),
            ("https://me@host:80/x", "https://me@host:80/x"),
            ("git@host:x.git", "git@host:x.git"),
            ("../up.git", "/home/me/app/../up.git"),
            ("/srv/up.git", "/srv/up.git"),
        ] {
            let text = rendered(&[setting("local", "remote.origin.url", url)]);
            assert!(text.contains(&format!("url = \"{want}\"\n")), "{url}: {text}");
        }
    }

    #[test]
    fn settings_that_an_include_gave_are_found() {
        let there = [
            setting("global", "includeif.gitdir:/home/me/work/.path", "w"),
            setting("global", "user.email", "me@work.example"),
            setting("global", "user.name", "Ada"),
            setting("local", "user.name", "Ada"),
        ];
        assert!(has_includes(&there));
        let here = [there[0].clone(), there[2].clone()];
        assert_eq!(lost_at(&here, &there), [there[1].clone()]);
        assert!(lost_at(&there, &there).is_empty());
    }

    #[test]
    fn remembered_settings_are_the_same_without_secrets() {
        let settings = [
            setting("local", "branch.main.remote", "origin"),
            setting("local", "branch.other.remote", "origin"),
            setting("local", "http.https://host/.extraheader", "secret"),
            setting("local", "remote.origin.url", "https://me:secret@host/x.git"),
            setting("local", "remote.up.url", "../up"),
            setting("global", "user.name", "Ada"),
            GitSetting { value: None, ..setting("local", "core.x", "") },
        ];
        let text = text_to_remember(&settings);
        assert!(!String::from_utf8_lossy(&text).contains("secret"));
        let of_repository: Vec<_> =
            settings.iter().filter(|one| one.is_of_repository()).cloned().collect();
        assert_eq!(rendered(&parse(&text)), rendered(&of_repository));
    }

    #[test]
    fn git_reads_back_what_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("config");
        let value = "a \"quoted\" \\ back\nslash\t; # x ";
        let keys = ["filter.sub \"x\\.clean", "user.name", "a.b.c.d"];
        let settings: Vec<GitSetting> = keys.map(|key| setting("local", key, value)).into();
        std::fs::write(&file, rendered(&settings)).unwrap();
        for key in keys {
            let mut git = std::process::Command::new("git");
            let out = git.arg("config").arg("-f").arg(&file).args(["-z", key]).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&out.stdout), format!("{value}\0"), "{key}");
        }
    }
}
