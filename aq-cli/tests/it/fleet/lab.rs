//! A fleet in a temporary directory. When it is dropped, or the test is killed, none of its servers
//! and loops is left.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use aq_fleet::client::{CoordinatorClient, HttpConnection, SystemClock};
use aq_fleet::protocol::{FleetJobId, JobQuery, JobSummary, JobView, SubmitRequest};
use aq_manifest::Stage;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::sandbox::{PATIENCE, Sandbox, job_text, kill_child, kill_hard, skipped, wait_for};

/// The secret that hosts and coordinators share.
pub(super) const TOKEN: &str = "a-token-of-the-tests";

/// Leases short enough to wait for their end, and long enough for a busy machine.
const TIMES: [&str; 4] = ["--lease", "3s", "--heartbeat", "1s"];
pub(super) const LEASE: Duration = Duration::from_secs(3);

/// The program under test.
pub(super) fn present() -> OsString {
    env!("CARGO_BIN_EXE_aq").into()
}

/// The program of version 0.1. `None`, which is printed, where there is none.
pub(super) fn earlier() -> Option<OsString> {
    let program = std::env::var_os("AQ_EARLIER").filter(|path| !path.is_empty());
    if program.is_none() {
        skipped("AQ_EARLIER does not name the program of version 0.1");
    }
    program
}

/// Kills a program when the thread that started it ends, however that ends.
pub(super) fn tied(command: &Command) -> Command {
    let mut tied = Command::new("setpriv");
    tied.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
    tied.env_clear().stdin(Stdio::null());
    tied.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(dir) = command.get_current_dir() {
        tied.current_dir(dir);
    }
    tied
}

/// One coordinator.
#[derive(Debug)]
pub(super) struct Coordinator {
    program: OsString,
    address: SocketAddr,
    database: String,
    env: BTreeMap<&'static str, String>,
    running: Option<Child>,
}

impl Coordinator {
    /// One on a port of its own, at work.
    pub(super) fn start(database: &str) -> Self {
        Self::start_at(database, [127, 0, 0, 1])
    }

    /// As [`Self::start`], on another address of this machine.
    pub(super) fn start_at(database: &str, address: [u8; 4]) -> Self {
        Self::of_program(present(), database, address)
    }

    /// As [`Self::start_at`], of this program.
    pub(super) fn of_program(program: OsString, database: &str, address: [u8; 4]) -> Self {
        let address = SocketAddr::from((address, 0));
        let database = database.to_owned();
        let mut made = Self { program, address, database, env: BTreeMap::new(), running: None };
        made.start_again();
        made
    }

    /// Starts it where it was, and waits until it answers.
    pub(super) fn start_again(&mut self) {
        // Somebody may have been given its port meanwhile.
        self.start_with(&[]);
    }

    /// As [`Self::start_again`], with more arguments.
    pub(super) fn start_with(&mut self, args: &[&str]) {
        wait_for("a coordinator that listens", || self.try_start(args));
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["coordinator", "--insecure", "--listen", &self.address.to_string()]);
        command.args(TIMES).args(args);
        command.args(["--database", &self.database]).env("AQ_FLEET_TOKEN", TOKEN);
        command.envs(&self.env);
        command
    }

    fn try_start(&mut self, args: &[&str]) -> bool {
        let mut command = tied(&self.command(args));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some(address) = line.trim().strip_prefix("listening on http://") else {
            let _ = child.wait();
            return false;
        };
        self.address = address.parse().unwrap();
        self.running = Some(child);
        true
    }

    /// It is this program from its next start on.
    pub(super) fn run_program(&mut self, program: OsString) {
        self.program = program;
    }

    /// Starts it once, in vain: its exit code and all that it says.
    pub(super) fn refusal(&self, args: &[&str]) -> (i32, String) {
        let output = tied(&self.command(args)).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned())
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            kill_child(&mut running);
        }
    }

    /// Adds to its environment from its next start on.
    pub(super) fn set(&mut self, name: &'static str, value: &str) {
        self.env.insert(name, value.to_owned());
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client, which retries for so long.
    pub(super) fn client(&self, deadline: Duration) -> CoordinatorClient {
        let http = HttpConnection::new(&format!("http://{}", self.address)).unwrap();
        let token = TOKEN.parse().unwrap();
        CoordinatorClient::new(Arc::new(http), Arc::new(SystemClock), token, deadline)
    }
}

impl Drop for Coordinator {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A coordinator with its client and its hosts' common directory.
#[derive(Debug)]
pub(super) struct Fleet {
    dir: TempDir,
    pub(super) coordinator: Coordinator,
    pub(super) client: CoordinatorClient,
}

impl Fleet {
    /// One coordinator on a SQLite file.
    pub(super) fn new() -> Self {
        Self::at([127, 0, 0, 1])
    }

    /// As [`Self::new`], with a coordinator on this address.
    pub(super) fn at(address: [u8; 4]) -> Self {
        Self::of_program(present(), address)
    }

    /// As [`Self::at`], with another program as its coordinator.
    pub(super) fn of_program(program: OsString, address: [u8; 4]) -> Self {
        let dir = TempDir::with_prefix("aq-fleet-").unwrap();
        let database = format!("sqlite:{}", dir.path().join("fleet.db").display());
        Self::on_database(program, &database, address, dir)
    }

    /// As [`Self::of_program`], on a database that is elsewhere.
    pub(super) fn on(program: OsString, database: &str) -> Self {
        let dir = TempDir::with_prefix("aq-fleet-").unwrap();
        Self::on_database(program, database, [127, 0, 0, 1], dir)
    }

    fn on_database(program: OsString, database: &str, address: [u8; 4], dir: TempDir) -> Self {
        fs::create_dir(dir.path().join("out")).unwrap();
        let coordinator = Coordinator::of_program(program, database, address);
        let client = coordinator.client(Duration::from_secs(20));
        Self { dir, coordinator, client }
    }

    /// The files of the database of a coordinator that does not run, and of a backup of it.
    fn files(&self) -> impl Iterator<Item = (PathBuf, PathBuf)> {
        let named = |name: &str, end: &str| self.dir.path().join(format!("{name}{end}"));
        ["", "-wal", "-shm"].map(|end| (named("fleet.db", end), named("backup", end))).into_iter()
    }

    /// Removes them.
    pub(super) fn forget_database(&self) {
        for (file, _) in self.files() {
            let _ = fs::remove_file(file);
        }
    }

    /// Copies them.
    pub(super) fn back_up(&self) {
        for (file, copy) in self.files().filter(|(file, _)| file.exists()) {
            fs::copy(file, copy).unwrap();
        }
    }

    /// Puts the copies in their place.
    pub(super) fn restore(&self) {
        self.forget_database();
        for (file, copy) in self.files().filter(|(_, copy)| copy.exists()) {
            fs::copy(copy, file).unwrap();
        }
    }

    /// A path that all hosts see.
    pub(super) fn out(&self, name: &str) -> PathBuf {
        self.dir.path().join("out").join(name)
    }

    /// A host that asks this fleet's coordinator.
    pub(super) fn host(&self, name: &str) -> Host {
        Host::join(Sandbox::new(), name, self.coordinator.address())
    }

    /// As [`Self::host`], with a git repository to work in.
    pub(super) fn host_with_repository(&self, name: &str) -> Host {
        Host::join(Sandbox::with_repository(), name, self.coordinator.address())
    }

    /// Submits a job for the shell engine, which works in `work` beside the host's queue.
    pub(super) fn submit(&self, name: &str, front: &str, body: &str) -> FleetJobId {
        submit(&self.client, name, front, body)
    }

    pub(super) fn job(&self, id: FleetJobId) -> JobView {
        self.client.job(id).unwrap().value
    }

    /// Waits until the coordinator has the job in this stage.
    pub(super) fn wait_for(&self, id: FleetJobId, stage: Stage) -> JobView {
        self.wait_until(id, &format!("be in {stage}"), |view| view.job.stage == stage)
    }

    /// Waits until the coordinator sees the job like this.
    pub(super) fn wait_until(
        &self,
        id: FleetJobId,
        what: &str,
        is_so: impl Fn(&JobView) -> bool,
    ) -> JobView {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let view = self.job(id);
            if is_so(&view) {
                return view;
            }
            assert!(Instant::now() < give_up, "it was to {what}: {view:#?}");
            sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the job's lease has run out.
    pub(super) fn wait_for_lapse(&self, id: FleetJobId) {
        self.wait_until(id, "lapse", |view| view.job.lapsed);
    }

    /// Waits until somebody writes `text` into a file in the common directory.
    pub(super) fn wait_for_line(&self, file: &str, text: &str) {
        wait_for(&format!("{text:?} in {file}"), || {
            read(&self.out(file)).lines().any(|line| line == text)
        });
    }
}

/// The text of a file, empty when it is not there.
pub(super) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

pub(super) fn submit(
    client: &CoordinatorClient,
    name: &str,
    front: &str,
    body: &str,
) -> FleetJobId {
    submit_text(client, name, job_text(&format!("cwd: work\n{front}"), body))
}

/// Submits a file as it is.
pub(super) fn submit_text(client: &CoordinatorClient, name: &str, manifest: String) -> FleetJobId {
    let name = name.parse().unwrap();
    let submit = SubmitRequest { manifest, name, shadow: false, factory_id: None };
    client.submit(&submit).unwrap().value.job_id
}

/// All jobs that the coordinator knows, by their names.
pub(super) fn jobs(client: &CoordinatorClient) -> BTreeMap<String, JobSummary> {
    let mut jobs = BTreeMap::new();
    let mut query = JobQuery::default();
    loop {
        let page = client.jobs(&query).unwrap().value;
        jobs.extend(page.jobs.into_iter().map(|job| (job.name.to_string(), job)));
        query.cursor = page.next;
        if query.cursor.is_none() {
            return jobs;
        }
    }
}

/// A host: a queue, and a loop when one was started.
#[derive(Debug)]
pub(super) struct Host {
    sandbox: Sandbox,
    /// The program of its loop.
    program: OsString,
    running: Option<Child>,
    /// The network namespace that its loop runs in, when it is not the test's.
    namespace: Option<String>,
}

impl Host {
    /// A host of this name, which asks the coordinator at this address.
    pub(super) fn join(mut sandbox: Sandbox, name: &str, coordinator: SocketAddr) -> Self {
        sandbox.set("AQ_FLEET", "1");
        sandbox.set("AQ_FLEET_TOKEN", TOKEN);
        sandbox.set("AQ_FACTORY_ID", name);
        let program = present();
        let mut host = Self { sandbox, program, running: None, namespace: None };
        host.ask(coordinator);
        host
    }

    /// The coordinator that its next commands ask.
    pub(super) fn ask(&mut self, coordinator: SocketAddr) {
        self.sandbox.set("AQ_FLEET_URL", format!("http://{coordinator}"));
    }

    /// Its loop is this program from now on.
    pub(super) fn run_program(&mut self, program: OsString) {
        self.program = program;
    }

    /// A command of that program.
    pub(super) fn own(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        self.sandbox.clean(&mut command).arg("--queue").arg(self.sandbox.queue("")).args(args);
        command
    }

    /// Its loop runs in this network namespace from now on.
    pub(super) fn put_into(&mut self, namespace: &str) {
        self.namespace = Some(namespace.to_owned());
    }

    /// Starts the loop, which ships what ends well.
    pub(super) fn start(&mut self) {
        self.start_with(&["--ship"]);
    }

    pub(super) fn start_with(&mut self, args: &[&str]) {
        let aq = self.own(&[&["run"], args].concat());
        let mut command = match &self.namespace {
            None => tied(&aq),
            Some(namespace) => {
                let mut inside = Command::new("ip");
                self.sandbox.clean(&mut inside).args(["netns", "exec", namespace]);
                tied(inside.arg(aq.get_program()).args(aq.get_args()))
            }
        };
        let said = fs::File::create(self.sandbox.path("loop.log")).unwrap();
        let also = said.try_clone().unwrap();
        self.running = Some(command.stdout(said).stderr(also).spawn().unwrap());
    }

    /// The output of the loop.
    pub(super) fn said(&self) -> String {
        read(&self.sandbox.path("loop.log"))
    }

    pub(super) fn kill_loop(&mut self) {
        if let Some(mut running) = self.running.take() {
            kill_child(&mut running);
        }
    }

    /// Does the work of a power cut: nothing of the host runs any more.
    pub(super) fn die(&mut self) {
        self.kill_loop();
        for pid in self.sandbox.workers().into_iter().chain(self.sandbox.agents()) {
            kill_hard(pid);
        }
    }

    /// Stops the time of the loop and its workers, or lets it go on.
    pub(super) fn signal_all(&self, signal: Signal) {
        let of_loop = self.running.iter().map(|child| Pid::from_raw(child.id().cast_signed()));
        for pid in of_loop.chain(self.sandbox.workers()) {
            kill(pid, signal).unwrap();
        }
    }
}

impl Deref for Host {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl DerefMut for Host {
    fn deref_mut(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.kill_loop();
    }
}
