use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};

use super::{empty_directory, remove_tree};

fn lab() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    (dir, tree)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn links_are_removed_and_not_followed() {
    let (dir, tree) = lab();
    let outside = dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "x").unwrap();
    symlink(&outside, tree.join("link")).unwrap();
    symlink("nowhere", tree.join("dangling")).unwrap();
    remove_tree(&tree).unwrap();
    assert!(!tree.exists() && outside.join("file").exists());
    symlink(&outside, &tree).unwrap();
    remove_tree(&tree).unwrap();
    assert!(tree.symlink_metadata().is_err() && outside.join("file").exists());
}

#[test]
fn missing_tree_counts_as_removed() {
    let (_dir, tree) = lab();
    remove_tree(&tree.join("none")).unwrap();
    remove_tree(&tree.join("none/below")).unwrap();
    fs::write(tree.join("file"), "").unwrap();
    remove_tree(&tree.join("file/below")).unwrap();
    remove_tree(&tree.join("file")).unwrap();
    assert_eq!(fs::read_dir(&tree).unwrap().count(), 0);
    assert!(remove_tree(Path::new("..")).is_err());
}

/// Trees deeper than a path can be long, and than descriptors are allowed.
#[test]
fn deep_trees_need_no_long_paths() {
    use rustix::fs::{mkdirat, openat};
    let (_dir, tree) = lab();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let mut at = open(&tree, flags, Mode::empty()).unwrap();
    for _ in 0..1_500 {
        mkdirat(&at, "below", Mode::RWXU).unwrap();
        mkdirat(&at, "beside", Mode::RWXU).unwrap();
        at = openat(&at, "below", flags, Mode::empty()).unwrap();
    }
    remove_tree(&tree).unwrap();
    assert!(!tree.exists());
}

#[test]
fn closed_directories_are_opened_up() {
    let (_dir, tree) = lab();
    for (name, mode) in [("no-write", 0o555), ("no-read", 0o333), ("no-entry", 0o666)] {
        let inner = tree.join(name).join("inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("file"), "x").unwrap();
        set_mode(&inner, 0o000);
        set_mode(&tree.join(name), mode);
    }
    set_mode(&tree, 0o500);
    remove_tree(&tree).unwrap();
    assert!(!tree.exists());
}

#[test]
fn emptying_keeps_the_directory_and_one_file() {
    let (_dir, tree) = lab();
    fs::create_dir_all(tree.join("a/keep")).unwrap();
    fs::write(tree.join("keep"), "x").unwrap();
    fs::write(tree.join("other"), "x").unwrap();
    let dir = OwnedFd::from(fs::File::open(&tree).unwrap());
    empty_directory(&dir, Some(c"keep"), &tree).unwrap();
    let left: Vec<_> = fs::read_dir(&tree).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["keep"]);
}

/// Runs a program that only root may; `false` where it cannot.
fn as_root(program: &str, args: &[&Path]) -> bool {
    let output = std::process::Command::new(program).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn other_file_systems_are_left_alone() {
    let (dir, tree) = lab();
    let (outside, inner) = (dir.path().join("outside"), tree.join("a/inner"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "x").unwrap();
    fs::create_dir_all(&inner).unwrap();
    fs::write(tree.join("a/file"), "x").unwrap();
    // The same file system seen a second time has the same device.
    if !as_root("mount", &[Path::new("--bind"), &outside, &inner]) {
        return;
    }
    let error = remove_tree(&tree).unwrap_err().to_string();
    assert!(as_root("umount", &[&inner]));
    assert_eq!(error, format!("{}: is a mount point, or in use", inner.display()));
    assert!(outside.join("file").exists() && !tree.join("a/file").exists());
    remove_tree(&tree).unwrap();
}

#[test]
fn protected_files_are_named() {
    let (_dir, tree) = lab();
    let file = tree.join("a/file");
    fs::create_dir_all(tree.join("a/beside")).unwrap();
    fs::write(&file, "x").unwrap();
    if !as_root("chattr", &[Path::new("+i"), &file]) {
        return;
    }
    let error = remove_tree(&tree).unwrap_err().to_string();
    assert!(as_root("chattr", &[Path::new("-i"), &file]));
    assert!(error.starts_with(&format!("{}: is immutable", file.display())), "{error}");
    assert!(!tree.join("a/beside").exists());
    remove_tree(&tree).unwrap();
}
