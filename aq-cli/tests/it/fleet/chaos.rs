//! `kill -9` of everything at random moments: the loops and workers of three hosts, whole hosts,
//! two coordinators and their connections to one PostgreSQL.
//!
//! What must stay true is that each job is shipped, by the coordinator's record and by the hosts'
//! folders, once and under the same epoch. That one runs twice, on a host that is cut off and on
//! the next, is allowed; that it ships twice is not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use aq_fleet::client::CoordinatorClient;
use aq_fleet::protocol::FleetJobId;
use aq_manifest::Stage;
use tempfile::TempDir;

use super::cluster::{Cluster, Database};
use super::lab::{Coordinator, Host, jobs, read, submit};
use crate::dice::{Dice, seed};
use crate::sandbox::{Sandbox, kill_hard};

/// Jobs in one round: 300 in `./test --long`.
fn many() -> usize {
    std::env::var("AQ_CHAOS_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(60)
}

/// The longest that the fleet may take from the last kill to the last ship.
const CALM: Duration = Duration::from_secs(120);

/// The capability of each host that not all have.
const HOSTS: [(&str, &str); 3] = [("a", "left"), ("b", "right"), ("c", "left, right")];

fn submit_all(
    client: &CoordinatorClient,
    dice: &mut Dice,
    trace: &str,
) -> BTreeMap<FleetJobId, String> {
    let mut made = BTreeMap::new();
    for n in 0..many() {
        let name = format!("job-{n:03}");
        let mut front = format!("idempotency-key: key-{n}\nretry: {{max: 60, backoff: 0s}}\n");
        if n > 0 && dice.roll(5) == 0 {
            writeln!(front, "deps: [key-{}]", dice.roll(n as u64)).unwrap();
        }
        if dice.roll(4) == 0 {
            writeln!(front, "lock: lock-{}", dice.roll(3)).unwrap();
        }
        if dice.roll(6) == 0 {
            let side = if dice.roll(2) == 0 { "left" } else { "right" };
            writeln!(front, "capabilities: [{side}]").unwrap();
        }
        if dice.roll(3) == 0 {
            writeln!(front, "priority: {}", ["high", "low"][dice.index(2)]).unwrap();
        }
        let ends = if dice.roll(6) == 0 { "[ $AQ_ATTEMPT -ge 2 ]" } else { "true" };
        let nap = dice.roll(600);
        let body = format!(
            "epoch=$(sed -n 's/^fleet_lease_epoch=//p' $AQ_QUEUE/.state/meta/$AQ_JOB_ID.meta | \
             tail -n 1)\n\
             echo \"{name} $epoch $AQ_ATTEMPT\" >>{trace}\nsleep 0.{nap:03}\n{ends}"
        );
        made.insert(submit(client, &name, &front, &body), name);
    }
    made
}

/// The harm that was done to the fleet.
#[derive(Debug, Default)]
struct Done {
    loops: usize,
    workers: usize,
    hosts: usize,
    coordinators: usize,
    connections: usize,
}

struct Fleet {
    hosts: Vec<Host>,
    coordinators: [Coordinator; 2],
    database: Database,
    runtime: tokio::runtime::Runtime,
}

impl Fleet {
    /// One blow. What it hits is up again at once, or after a pause in which leases may run out.
    fn hit(&mut self, dice: &mut Dice, done: &mut Done) {
        let host = dice.index(self.hosts.len());
        let pause = Duration::from_millis([0, 50, 400, 0, 50, 400, 4_000][dice.index(7)]);
        match dice.roll(10) {
            0..=2 => {
                done.loops += 1;
                self.hosts[host].kill_loop();
                std::thread::sleep(pause);
                self.hosts[host].start_with(&["--ship", "--max", "2"]);
            }
            3 | 4 => {
                for worker in self.hosts[host].workers() {
                    done.workers += 1;
                    kill_hard(worker);
                }
            }
            5 => {
                done.hosts += 1;
                self.hosts[host].die();
                std::thread::sleep(pause);
                self.hosts[host].start_with(&["--ship", "--max", "2"]);
            }
            6 | 7 => {
                done.coordinators += 1;
                let one = &mut self.coordinators[dice.index(2)];
                one.kill();
                std::thread::sleep(pause.min(Duration::from_millis(1_500)));
                one.start_again();
            }
            _ => {
                done.connections += 1;
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE datname = current_database() AND pid <> pg_backend_pid()";
                self.runtime.block_on(async {
                    self.database.connect().await.batch_execute(end).await.unwrap();
                });
            }
        }
    }
}

#[test]
fn a_fleet_killed_at_random_ships_every_job_once() {
    let seed = seed();
    let mut dice = Dice::new(seed);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(cluster) = runtime.block_on(Cluster::find()) else { return };
    let database = runtime.block_on(cluster.database(None));
    let dir = TempDir::with_prefix("aq-fleet-").unwrap();
    let trace = dir.path().join("trace");
    let coordinators = [Coordinator::start(&database.url()), Coordinator::start(&database.url())];
    let hosts = HOSTS.iter().enumerate().map(|(n, (name, can))| {
        let mut host = Host::join(Sandbox::new(), name, coordinators[n % 2].address());
        let config = format!("capabilities: [{can}]\nkill-grace: 1s\n");
        std::fs::write(host.queue("config.yaml"), config).unwrap();
        host.start_with(&["--ship", "--max", "2"]);
        host
    });
    let hosts = hosts.collect();
    let client = coordinators[0].client(Duration::from_secs(30));
    let made = submit_all(&client, &mut dice, trace.to_str().unwrap());
    let mut fleet = Fleet { hosts, coordinators, database, runtime };
    let mut done = Done::default();
    for _ in 0..many() {
        std::thread::sleep(Duration::from_millis(dice.roll(3) * 100 + dice.roll(100)));
        fleet.hit(&mut dice, &mut done);
        if jobs(&client).values().all(|job| job.stage == Stage::Shipped) {
            break;
        }
    }
    let calm = Instant::now();
    let mut seen = jobs(&client);
    while seen.values().any(|job| job.stage != Stage::Shipped) {
        let left: Vec<_> = seen.values().filter(|job| job.stage != Stage::Shipped).collect();
        let gone_wrong = left.iter().any(|job| job.stage == Stage::Failed);
        assert!(calm.elapsed() < CALM && !gone_wrong, "seed {seed}: {left:#?}");
        std::thread::sleep(Duration::from_millis(50));
        seen = jobs(&client);
    }
    let again = check(seed, &fleet.hosts, &client, &made, &read(&trace));
    println!("{} jobs, {done:?}; {again} of them ran under more than one epoch", made.len());
    for host in &mut fleet.hosts {
        host.die();
    }
    fleet.runtime.block_on(cluster.forget(fleet.database.clone()));
}

/// Every job is shipped on one host, under the epoch under which it is shipped at the coordinator.
/// How many ran under more than one.
fn check(
    seed: u64,
    hosts: &[Host],
    client: &CoordinatorClient,
    made: &BTreeMap<FleetJobId, String>,
    trace: &str,
) -> usize {
    let mut starts: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for line in trace.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        starts.entry(words[0]).or_default().push((words[1], words[2]));
    }
    let mut again = 0;
    for (id, name) in made {
        let view = client.job(*id).unwrap().value;
        let story = || {
            let folders: Vec<_> =
                hosts.iter().flat_map(|host| copies(host, *id)).map(|c| (c.0, c.1)).collect();
            format!("seed {seed}: {name}: {folders:?} {view:#?}")
        };
        let epoch = view.job.epoch.to_string();
        let give_up = Instant::now() + CALM;
        let mut shipped = Vec::new();
        // The host moves its file once it may.
        while shipped.is_empty() {
            assert!(Instant::now() < give_up, "{}", story());
            let all = hosts.iter().flat_map(|host| copies(host, *id));
            shipped = all.filter(|copy| copy.0 == "shipped").map(|copy| copy.1).collect();
        }
        assert_eq!(shipped, std::slice::from_ref(&epoch), "{}", story());
        let ships = view.reports.iter().filter(|report| report.stage == Stage::Shipped).count();
        assert_eq!(ships, 1, "{}", story());
        let starts = starts.get(name.as_str()).cloned().unwrap_or_default();
        let distinct: BTreeSet<_> = starts.iter().collect();
        assert_eq!(distinct.len(), starts.len(), "an attempt began twice: {starts:?} {}", story());
        assert!(starts.iter().any(|(of, _)| *of == epoch), "{starts:?} {}", story());
        let epochs: BTreeSet<_> = starts.iter().map(|(epoch, _)| epoch).collect();
        again += usize::from(epochs.len() > 1);
    }
    again
}

/// The copies of a fleet's job on a host: each one's folder and epoch.
fn copies(host: &Host, id: FleetJobId) -> Vec<(String, String)> {
    let id = id.to_string();
    let mut found = Vec::new();
    for stage in crate::sandbox::STAGES {
        for name in host.jobs(stage) {
            let mut meta = host.meta(&name);
            if meta.get("fleet_job_id") == Some(&id) {
                let epoch = meta.remove("fleet_lease_epoch").unwrap_or_default();
                found.push((stage.to_owned(), epoch));
            }
        }
    }
    found
}
