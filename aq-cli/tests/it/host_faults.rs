//! Faults of the host: none of them costs a job an attempt, the loop says each once, and the job
//! goes on by itself when the thing is there.

mod calls;
mod engines;
mod limits;
mod programs;
mod room;

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::sandbox::Sandbox;

/// Makes an executable file.
fn program(path: &Path, script: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Sandbox {
    /// A loop that goes on, whose words are kept in a file.
    fn spoken_loop(&self, path: &str) -> (Child, PathBuf) {
        let words = self.path("words");
        let file = fs::File::create(&words).unwrap();
        let mut command = self.aq(&["run", "--max", "2"]);
        command.env("PATH", path).stdout(Stdio::null()).stderr(file);
        (command.spawn().unwrap(), words)
    }

    /// `aq run --once` with this PATH: its exit code, and all that it says.
    fn drained(&self, path: &str) -> (i32, String) {
        let output = self.aq(&["run", "--once"]).env("PATH", path).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8(said).unwrap())
    }

    /// Nothing of a job's attempts is on record.
    fn is_uncounted(&self, id: &str) {
        assert_eq!(self.folders(id), ["inbox"], "{}", self.log(id));
        assert_eq!(self.meta_value(id, "attempts"), "");
        assert_eq!(self.meta_value(id, "result"), "");
    }
}

/// The lines of a file that hold a text.
fn lines_with(path: &Path, text: &str) -> usize {
    let mut said = String::new();
    let _ = fs::File::open(path).and_then(|mut file| file.read_to_string(&mut said));
    said.lines().filter(|line| line.contains(text)).count()
}
