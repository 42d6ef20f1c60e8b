//! The launcher's side: a box is described, its program's command line is made, and what it
//! reports is heard.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::enter::{BOX, TRIAL};
use crate::link::{self, LinkMessage};
use crate::network::{HostList, ProxyEvent, ServedSocket};
use crate::plan::{BoxPlan, CONTROL, HomeLayers, PLAN};
use crate::policy::{PathAccess, PathPolicy, PolicyError};
use crate::probe::{BoxLevel, KernelFeatures};
use crate::spec::{BoxReport, BoxSpec, LaunchError};

/// Asks this kernel for each part of a box. `program` is one that calls
/// [`enter_if_asked`](crate::enter_if_asked) first; it takes some milliseconds.
///
/// # Errors
/// The program cannot be run, or is another one.
pub fn try_kernel(program: &Path) -> Result<KernelFeatures, LaunchError> {
    let output = std::process::Command::new(program).args([BOX, TRIAL]).output();
    let output = output.map_err(|error| LaunchError::NoTrial(error.to_string()))?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| LaunchError::NoTrial(format!("{} gave no answer", program.display())))
}

/// A box that is ready to be entered by one command.
#[derive(Debug)]
pub struct BoxLaunch {
    dir: PathBuf,
    hosts: Option<HostList>,
    control: OwnedFd,
}

impl BoxLaunch {
    /// Prepares a box in a directory, which is the box's own and not there yet, or empty. On the
    /// level `full` the folder `home/upper` of it has what the command wrote below the home.
    ///
    /// # Errors
    /// The rules make no box, or the directory cannot be written.
    pub fn prepare(spec: BoxSpec, dir: &Path) -> Result<Self, LaunchError> {
        let is_strict = spec.hosts.is_some();
        if is_strict && spec.level != BoxLevel::Full {
            return Err(LaunchError::NoNetwork(spec.level));
        }
        let failed = |source| LaunchError::Io { dir: dir.to_owned(), source };
        let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(dir);
        let dir = made.and_then(|()| dir.canonicalize()).map_err(failed)?;
        let failed = |source| LaunchError::Io { dir: dir.clone(), source };
        let home = spec.policy.home().and_then(|home| home.canonicalize().ok());
        let rules = on_disk(&spec.policy)?.with(&dir, PathAccess::Hidden).checked()?;
        let top = dir.join("home");
        let home = home.filter(|_| spec.level == BoxLevel::Full);
        let plan = BoxPlan {
            level: spec.level,
            is_strict,
            reports_writes: spec.reports_writes,
            cwd: spec.cwd.canonicalize().map_err(|error| PolicyError::Unusable {
                path: spec.cwd.clone(),
                problem: error.to_string(),
            })?,
            rules,
            home: home.map(|home| HomeLayers { home, between: spec.layers, top }),
            landlock_abi: spec.landlock_abi.unwrap_or(u32::MAX),
            relays: spec.hosts.as_ref().map(HostList::loopback_ports).unwrap_or_default(),
            dir: dir.clone(),
        };
        plan.write().map_err(failed)?;
        let _ = fs::remove_file(dir.join(CONTROL));
        let control = link::listen(&dir).map_err(failed)?;
        Ok(Self { dir, hosts: spec.hosts, control })
    }

    /// The arguments of the program that enters the box, with those of the command. The program is
    /// one that calls [`enter_if_asked`](crate::enter_if_asked) first. It ends as the command does;
    /// its environment is the command's.
    pub fn arguments(&self, command: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let own = [BOX.into(), self.dir.join(PLAN).into_os_string(), "--".into()];
        own.into_iter().chain(command).collect()
    }

    /// Serves the box on a thread of its own, from before it is entered until it has ended. The end
    /// of the thread, as of its process, ends all that is in the box.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn attend(self) -> io::Result<BoxAttendant> {
        let (stop, stopped) = io::pipe().map(|(reader, writer)| (writer, reader))?;
        let work = move || self.hear(&stopped);
        let thread = thread::Builder::new().name("box".to_owned()).spawn(work)?;
        Ok(BoxAttendant { thread, stop })
    }

    fn hear(self, stopped: &PipeReader) -> BoxReport {
        let heard = Arc::new(Mutex::new(BoxReport::default()));
        let mut served = Vec::new();
        if is_called(&self.control, stopped) {
            let called = rustix::net::accept_with(&self.control, rustix::net::SocketFlags::CLOEXEC);
            let _ = fs::remove_file(self.dir.join(CONTROL));
            if let Ok(socket) = called {
                self.converse(&socket, &heard, &mut served);
            }
        }
        served.into_iter().for_each(ServedSocket::stop);
        // The kernel has shut it to its owner, who is to remove it.
        let _ = fs::set_permissions(self.dir.join("home/work/work"), Permissions::from_mode(0o700));
        std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn converse(
        &self,
        socket: &OwnedFd,
        heard: &Arc<Mutex<BoxReport>>,
        served: &mut Vec<ServedSocket>,
    ) {
        let hosts = Arc::new(self.hosts.clone().unwrap_or_default());
        let with = |change: &dyn Fn(&mut BoxReport)| {
            change(&mut heard.lock().unwrap_or_else(PoisonError::into_inner));
        };
        while let Ok(Some((message, files))) = link::receive(socket) {
            match message {
                LinkMessage::Failed(words) => with(&|report| report.failure = Some(words.clone())),
                LinkMessage::Lacks(words) => with(&|report| report.lacks.push(words.clone())),
                LinkMessage::Refused(denial) => with(&|report| report.denials.add(denial.clone())),
                LinkMessage::Listener { relay } => {
                    let own = Arc::clone(heard);
                    let hearer = Arc::new(move |event: ProxyEvent| {
                        own.lock().unwrap_or_else(PoisonError::into_inner).hear(event);
                    });
                    for file in files {
                        let started = match relay {
                            Some(port) => ServedSocket::relay(file, port, hearer.clone()),
                            None => ServedSocket::proxy(file, Arc::clone(&hosts), hearer.clone()),
                        };
                        served.extend(started);
                    }
                }
                LinkMessage::Filter | LinkMessage::Ended { .. } => {}
            }
        }
    }
}

/// Waits for the box to call. `false` when it will not.
fn is_called(control: &OwnedFd, stopped: &PipeReader) -> bool {
    let mut watched = [
        PollFd::new(control.as_fd(), PollFlags::POLLIN),
        PollFd::new(stopped.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut watched, PollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return false,
            Ok(_) => {
                return watched[0].revents().is_some_and(|found| found.contains(PollFlags::POLLIN));
            }
        }
    }
}

/// The rules about what is there, by the paths that have no links in them.
fn on_disk(policy: &PathPolicy) -> Result<PathPolicy, PolicyError> {
    let home = policy.home().and_then(|home| home.canonicalize().ok());
    let mut found = PathPolicy::new(home);
    for rule in policy.checked()? {
        match rule.path.canonicalize() {
            Ok(path) => found = found.with(path, rule.access),
            Err(error) if rule.access == PathAccess::Write => {
                let problem = error.to_string();
                return Err(PolicyError::Unusable { path: rule.path, problem });
            }
            Err(_) => {}
        }
    }
    Ok(found)
}

/// The thread that serves a box.
#[derive(Debug)]
pub struct BoxAttendant {
    thread: JoinHandle<BoxReport>,
    stop: PipeWriter,
}

impl BoxAttendant {
    /// Waits for the end of the box, which is there when the program has ended that entered it, and
    /// returns what it reported. One that was never entered ends here.
    pub fn finish(self) -> BoxReport {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}
