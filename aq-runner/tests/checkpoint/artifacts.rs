//! Which files are kept, and which never.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use aq_runner::checkpoint::{CollectedFiles, collect};

use crate::lab::write;

fn globs(globs: &[&str]) -> Vec<String> {
    globs.iter().map(|glob| (*glob).to_owned()).collect()
}

fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn what_matches_is_copied_with_its_place_and_mode() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("artifacts/fix"));
    for file in ["target/app", "target/deep/app.log", "report.html", "src/a.rs", ".git/x.log"] {
        write(&from.join(file), file);
    }
    fs::set_permissions(from.join("target/app"), fs::Permissions::from_mode(0o755)).unwrap();
    write(&to.join("stale"), "of an earlier attempt");

    let kept =
        collect(&globs(&["target/app", "**/*.log", "*.html", "target/**/app.log"]), &from, &to);
    let bytes = ["target/app", "target/deep/app.log", "report.html"].map(str::len);
    let expected = CollectedFiles { files: 3, bytes: bytes.iter().sum::<usize>() as u64 };
    assert_eq!(kept.unwrap(), expected);
    assert_eq!(tree(&to), ["report.html", "target/app", "target/deep/app.log"]);
    assert_eq!(to.join("target/app").metadata().unwrap().permissions().mode() & 0o777, 0o755);
}

#[test]
fn globs_match_directories_and_odd_names() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    for file in ["dist/a/b", "dist/.hidden", "two\nlines.log", "other/c"] {
        write(&from.join(file), file);
    }
    let odd = OsStr::from_bytes(b"\xff.log");
    fs::write(from.join(odd), "odd").unwrap();
    assert_eq!(collect(&globs(&["./dist", "*.log"]), &from, &to).unwrap().files, 4);
    assert_eq!(fs::read_to_string(to.join(odd)).unwrap(), "odd");
    assert_eq!(fs::read_to_string(to.join("dist/a/b")).unwrap(), "dist/a/b");
    assert!(to.join("two\nlines.log").exists() && !to.join("other").exists());
}

#[test]
fn links_and_pipes_are_no_artifacts() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    write(&dir.path().join("outside/secret"), "x");
    write(&from.join("real/file"), "1");
    symlink(dir.path().join("outside/secret"), from.join("link")).unwrap();
    symlink(dir.path().join("outside"), from.join("out")).unwrap();
    symlink("loop", from.join("loop")).unwrap();
    nix::unistd::mkfifo(&from.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let all = globs(&["**", "out/secret", "out/**", "link", "missing/file", "real/file/below"]);
    assert_eq!(collect(&all, &from, &to).unwrap().files, 1);
    assert_eq!(tree(&to), ["real/file"]);
}

#[test]
fn a_queue_inside_the_directory_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let from = dir.path();
    write(&from.join("x.log"), "1");
    write(&from.join(".aq/logs/fix.log"), "2");
    let to = from.join(".aq/artifacts/fix");
    assert_eq!(collect(&globs(&["**/*.log"]), from, &to).unwrap().files, 1);
    assert_eq!(tree(&to), ["x.log"]);
}

#[test]
fn bad_globs_and_too_many_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    assert!(collect(&globs(&["../x"]), &from, &to).is_err());
    fs::create_dir_all(&from).unwrap();
    for n in 0..10_001 {
        fs::write(from.join(n.to_string()), "").unwrap();
    }
    let error = collect(&globs(&["*"]), &from, &to).unwrap_err().to_string();
    assert!(error.contains("10,000 files"), "{error}");
}
