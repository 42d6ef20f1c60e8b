//! Things that a host lacks for a while. None of them is the fault of a job.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A thing that a host lacks, and jobs wait for. In JSON `what` names the variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostLack {
    /// An engine that was there before.
    Engine {
        /// Its name.
        engine: String,
        /// The file that it should be, where one is named; else it is looked for on the PATH.
        #[serde(rename = "expected", default, skip_serializing_if = "Option::is_none")]
        expected_at: Option<String>,
        /// Its program when it was last seen.
        #[serde(rename = "seen")]
        seen_at: String,
        /// The one who saw it there.
        #[serde(rename = "by")]
        seen_by: SeenBy,
    },
    /// An engine in whose place there is another program of its name.
    OtherProgram {
        /// The engine's name.
        engine: String,
        /// The program.
        path: String,
        /// Its answer when it is asked for its version.
        answer: String,
        /// The variable that can name the engine's program.
        variable: String,
    },
    /// A program of the system.
    Program {
        /// Its name or path.
        program: String,
    },
    /// Room up to the low-water mark of the queue.
    Room {
        /// Bytes that are free.
        free: u64,
        /// Bytes that have to be free.
        mark: u64,
    },
    /// A resource for want of which the system refused something.
    Resource {
        /// The resource.
        resource: HostResource,
        /// The refusal, in the words of the one who met it.
        refusal: String,
    },
}

/// The one who saw an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SeenBy {
    /// Somebody who added a job.
    Add,
    /// A run loop.
    RunLoop,
}

/// A resource of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostResource {
    /// Blocks, inodes or quota of a file system.
    Room,
    /// A file system that can be written.
    WritableDisk,
    /// A disk without errors.
    SoundDisk,
    /// File descriptors.
    OpenFiles,
    /// Memory.
    Memory,
    /// Processes or threads.
    Processes,
    /// Bytes that a file may have.
    FileSize,
    /// The answer of another machine: of a git remote, or of the coordinator.
    Answer,
}

const RESOURCES: [(HostResource, &str, &str); 8] = [
    (HostResource::Room, "room", "no room"),
    (HostResource::WritableDisk, "writable_disk", "a read-only file system"),
    (HostResource::SoundDisk, "sound_disk", "a disk with errors"),
    (HostResource::OpenFiles, "open_files", "too many open files"),
    (HostResource::Memory, "memory", "no memory"),
    (HostResource::Processes, "processes", "too many processes"),
    (HostResource::FileSize, "file_size", "a limit of file sizes"),
    (HostResource::Answer, "answer", "no answer"),
];

impl HostResource {
    /// Its code, one word.
    pub fn as_str(self) -> &'static str {
        self.entry().1
    }

    /// The resource of a code.
    pub fn of_code(code: &str) -> Option<Self> {
        RESOURCES.iter().find(|(_, known, _)| *known == code).map(|(resource, _, _)| *resource)
    }

    fn entry(self) -> &'static (Self, &'static str, &'static str) {
        let found = RESOURCES.iter().find(|(resource, _, _)| *resource == self);
        found.expect("every resource has its line")
    }
}

impl fmt::Display for HostLack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine { engine, expected_at, seen_at, seen_by } => {
                match expected_at {
                    Some(path) if path == seen_at => {
                        return write!(f, "engine {engine} is not at {path} any more");
                    }
                    Some(path) => write!(f, "engine {engine} is not at {path}")?,
                    None => write!(f, "engine {engine} is not on the loop's PATH")?,
                }
                match seen_by {
                    SeenBy::Add => write!(f, "; aq add found it at {seen_at}"),
                    SeenBy::RunLoop => write!(f, "; it was at {seen_at} before"),
                }
            }
            Self::OtherProgram { engine, path, answer, variable } => write!(
                f,
                "{path} is not the engine {engine}: it says {answer:?}; put the right program \
                 first on the loop's PATH, or name it in {variable}"
            ),
            Self::Program { program } => write!(f, "{program} is not here"),
            Self::Room { free, mark } => {
                write!(f, "no room: {} GB free of {}", gigabytes(*free), gigabytes(*mark))
            }
            Self::Resource { resource, refusal } => {
                write!(f, "{}: {refusal}", resource.entry().2)
            }
        }
    }
}

/// Tenths, rounded down: what is free is never overstated.
fn gigabytes(bytes: u64) -> String {
    const TENTH: u64 = 100_000_000;
    match (bytes / TENTH / 10, bytes / TENTH % 10) {
        (0, 0) => format!("{}.{:02}", 0, bytes / (TENTH / 10)),
        (whole, 0) => whole.to_string(),
        (whole, tenths) => format!("{whole}.{tenths}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_name_every_resource() {
        for (resource, code, _) in RESOURCES {
            assert_eq!((resource.as_str(), HostResource::of_code(code)), (code, Some(resource)));
            assert_eq!(serde_json::to_value(resource).unwrap(), code);
        }
        assert_eq!(HostResource::of_code("gold"), None);
    }

    #[test]
    fn lacks_are_shown_as_one_line() {
        let engine = |expected: Option<&str>, seen_by| HostLack::Engine {
            engine: "claude".to_owned(),
            expected_at: expected.map(str::to_owned),
            seen_at: "~/bin/claude".to_owned(),
            seen_by,
        };
        let refusal = "cannot write x".to_owned();
        for (lack, text) in [
            (
                engine(None, SeenBy::Add),
                "engine claude is not on the loop's PATH; aq add found it at ~/bin/claude",
            ),
            (
                engine(Some("/opt/claude"), SeenBy::RunLoop),
                "engine claude is not at /opt/claude; it was at ~/bin/claude before",
            ),
            (
                engine(Some("~/bin/claude"), SeenBy::Add),
                "engine claude is not at ~/bin/claude any more",
            ),
            (
                HostLack::OtherProgram {
                    engine: "gemini".to_owned(),
                    path: "~/bin/gemini".to_owned(),
                    answer: "goose 3".to_owned(),
                    variable: "GEMINI_BIN".to_owned(),
                },
                "~/bin/gemini is not the engine gemini: it says \"goose 3\"; put the right program \
                 first on the loop's PATH, or name it in GEMINI_BIN",
            ),
            (HostLack::Program { program: "git".to_owned() }, "git is not here"),
            (
                HostLack::Room { free: 3_190_000_000, mark: 5_000_000_000 },
                "no room: 3.1 GB free of 5",
            ),
            (
                HostLack::Room { free: 20_000_000, mark: 100_000_000 },
                "no room: 0.02 GB free of 0.1",
            ),
            (
                HostLack::Resource { resource: HostResource::OpenFiles, refusal },
                "too many open files: cannot write x",
            ),
        ] {
            assert_eq!(lack.to_string(), text);
        }
    }
}
