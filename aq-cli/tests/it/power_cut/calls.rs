//! The system calls of a command that change files, and those that make changes last, as `strace`
//! saw them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::injection::traced;
use crate::sandbox::Sandbox;

/// Any other that changes a file makes the model differ from the real end, which is noticed.
const TRACED: &str = "openat,creat,write,writev,pwrite64,copy_file_range,ftruncate,lseek,rename,\
    renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,fsync,fdatasync,syncfs";

/// One call that went well.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) process: String,
    pub(super) name: String,
    /// As they were printed.
    pub(super) args: Vec<String>,
    /// The answer of the call.
    pub(super) result: i64,
    /// The paths that it is about, in their order, absolute. Of descriptors only that of the file
    /// that another one is copied to.
    pub(super) paths: Vec<PathBuf>,
    /// The file of its first argument, when that is a descriptor, or else of its result.
    pub(super) opened: Option<PathBuf>,
    /// The bytes that are written.
    pub(super) bytes: Vec<u8>,
}

/// Runs a command, which has to end by itself, and answers its calls.
pub(super) fn of_command(sandbox: &Sandbox, args: &[&str]) -> Vec<Call> {
    // Every string in hexadecimal: so nothing in it looks like a part of the line.
    let options = ["-xx", "-s", "1048576", "-e", &format!("trace={TRACED}")];
    let (output, seen) = traced(sandbox, &options, args);
    let said = String::from_utf8_lossy(&output.stderr);
    // 1: some job has failed, as it is to.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "aq {}: {code:?} {said}", args.join(" "));
    let mut trace = Trace::default();
    whole_lines(&seen).iter().filter_map(|line| trace.call(line)).collect()
}

/// The calls that were shown in two halves, because another process came between, put together
/// where they ended.
fn whole_lines(seen: &str) -> Vec<String> {
    let mut begun = BTreeMap::new();
    let mut whole = Vec::new();
    for line in seen.lines() {
        let Some((process, rest)) = line.split_once(' ') else { continue };
        if let Some(half) = line.strip_suffix(" <unfinished ...>") {
            begun.insert(process, half);
        } else if let Some((_, end)) = rest.split_once(" resumed>") {
            whole.extend(begun.remove(process).map(|half| format!("{half}{end}")));
        } else {
            whole.push(line.to_owned());
        }
    }
    whole
}

#[derive(Default)]
struct Trace {
    /// Where each process is, as far as its calls show.
    cwd: BTreeMap<String, PathBuf>,
}

impl Trace {
    fn call(&mut self, line: &str) -> Option<Call> {
        let (process, rest) = line.split_once(' ')?;
        let (name, rest) = rest.trim_start().split_once('(')?;
        let (args, result) = rest.rsplit_once(") ")?;
        let result = result.trim_start().strip_prefix("= ")?;
        let args: Vec<String> = args.split(", ").map(str::to_owned).collect();
        let answer = result.split(['<', ' ']).next()?.parse::<i64>().ok();
        let answer = answer.filter(|&answer| answer >= 0)?;
        for arg in args.iter().filter(|arg| arg.starts_with("AT_FDCWD<")) {
            self.cwd.extend(descriptor(arg).map(|dir| (process.to_owned(), dir)));
        }
        let writes = name.contains("write");
        let paths = match name {
            _ if writes => Vec::new(),
            "copy_file_range" => args.get(2).and_then(|arg| descriptor(arg)).into_iter().collect(),
            _ => self.paths(process, &args),
        };
        let opened = args.first().filter(|arg| !arg.starts_with("AT_FDCWD"));
        let opened = descriptor(result).or_else(|| descriptor(opened?));
        let bytes =
            if writes { args.iter().filter_map(|arg| quoted(arg)).collect() } else { Vec::new() };
        Some(Call {
            process: process.to_owned(),
            name: name.to_owned(),
            args,
            result: answer,
            paths,
            opened,
            bytes: bytes.concat(),
        })
    }

    /// Each path, against the directory that the argument before it names, or else against where
    /// the process is.
    fn paths(&self, process: &str, args: &[String]) -> Vec<PathBuf> {
        let mut dir = self.cwd.get(process).cloned();
        let mut paths = Vec::new();
        for arg in args {
            dir = descriptor(arg).or(dir);
            let Some(path) = quoted(arg) else { continue };
            let path = PathBuf::from(OsString::from_vec(path));
            paths.push(dir.as_deref().unwrap_or(Path::new("/")).join(path));
        }
        paths
    }
}

/// The path in `3</path>`; none of a file that is gone.
fn descriptor(text: &str) -> Option<PathBuf> {
    let (_, rest) = text.split_once('<')?;
    let (path, end) = rest.split_once('>')?;
    let is_gone = end.contains("deleted");
    (!is_gone && path.starts_with('\\')).then(|| PathBuf::from(OsString::from_vec(unhex(path))))
}

/// The bytes between quotation marks.
fn quoted(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once('"')?;
    let (text, end) = rest.split_once('"')?;
    assert!(!end.starts_with("..."), "strace has cut a string off");
    Some(unhex(text))
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |hex: &str| u8::from_str_radix(hex, 16).unwrap_or_else(|_| panic!("{text}"));
    text.split("\\x").filter(|hex| !hex.is_empty()).map(byte).collect()
}
