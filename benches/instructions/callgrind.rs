//! Runs a hot path under valgrind and adds up what it took.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::paths;

/// The facts that the counts depend on beside the code: the compiler and its target. An error says
/// why this build cannot be compared with any other.
pub(crate) fn machine() -> Result<String, String> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        return Err("the baseline is for x86_64-unknown-linux-gnu".to_owned());
    }
    if cfg!(debug_assertions) || cfg!(target_feature = "sse3") {
        let why = "the baseline is for `--profile instructions` and any x86_64 processor";
        return Err(why.to_owned());
    }
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err("valgrind is not installed (apt-get install valgrind)".to_owned());
    }
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map_err(|error| format!("rustc does not say its version: {error}"))?;
    Ok(String::from_utf8_lossy(&rustc.stdout).trim().to_owned())
}

/// The instructions of every hot path.
pub(crate) fn count_all() -> Result<BTreeMap<String, u64>, String> {
    let program = std::env::current_exe().map_err(|error| format!("who am I? {error}"))?;
    let dir = program.with_file_name("callgrind");
    fs::create_dir_all(&dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    let count = |&(name, _): &(&str, fn())| Ok((name.to_owned(), count(&program, name, &dir)?));
    paths::ALL.iter().map(count).collect()
}

fn count(program: &Path, name: &str, dir: &Path) -> Result<u64, String> {
    let out: PathBuf = dir.join(name);
    let ended = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--toggle-collect=*{}*", paths::REGION))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["run", name])
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    if !ended.status.success() {
        let told = String::from_utf8_lossy(&ended.stderr);
        return Err(format!("{name} under valgrind: {}\n{told}", ended.status));
    }
    let profile = fs::read_to_string(&out)
        .map_err(|error| format!("cannot read {}: {error}", out.display()))?;
    match own_instructions(&profile, &program.to_string_lossy()) {
        0 => Err(format!("{name}: callgrind saw nothing of {}", paths::REGION)),
        counted => Ok(counted),
    }
}

/// The instructions in functions of one program or library. Lines of costs are `LINE COUNT`, and
/// belong to the `ob=` before them; the one after `calls=` is of the function that is called,
/// which has lines of its own.
fn own_instructions(profile: &str, object: &str) -> u64 {
    let (mut inside, mut of_callee, mut sum) = (false, false, 0);
    for line in profile.lines() {
        if let Some(name) = line.strip_prefix("ob=") {
            inside = name == object;
        } else if line.starts_with("calls=") {
            of_callee = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            let count = line.split(' ').nth(1).and_then(|count| count.parse().ok());
            if inside && !of_callee {
                sum += count.unwrap_or(0u64);
            }
            of_callee = false;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "\
version: 1
positions: line
events: Ir
summary: 1160

ob=/target/instructions
fl=queue.rs
fn=aq::plan
10 100
cob=/lib/libc.so.6
cfn=memcpy
calls=3 0
11 1000
fi=vec.rs
12 20

ob=/lib/libc.so.6
fn=memcpy
0 1000

ob=/target/instructions
fn=aq::order
5 40

totals: 1160
";

    #[test]
    fn only_the_programs_own_functions_count_and_each_once() {
        assert_eq!(own_instructions(PROFILE, "/target/instructions"), 160);
        assert_eq!(own_instructions(PROFILE, "/lib/libc.so.6"), 1000);
        assert_eq!(own_instructions(PROFILE, "/other"), 0);
    }
}
