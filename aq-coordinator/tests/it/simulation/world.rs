//! One story: a storm, then calm until every job is over.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aq_fleet::client::CoordinatorClient;
use aq_fleet::protocol::{FleetJobId, SubmitRequest};
use tempfile::TempDir;

use super::coordinator::TOKEN;
use super::factory::Factory;
use super::network::Network;
use super::witness::Counts;

const JOBS: u64 = 6;

/// Turns with faults, and the most without.
const STORM: u32 = 120;
const CALM: u32 = 3_000;

/// The longest pause between two turns of anybody, in milliseconds.
const PAUSE: u64 = 1_500;

/// The story of a seed.
pub(super) fn run(seed: u64) -> Counts {
    // In memory where there is such a place: the disk is not what this is about.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap();
    let net = Network::new(seed, dir.path().join("fleet.db"));
    let jobs = submit_all(&net);
    let mut factories: Vec<Factory> =
        ["a", "b", "c"].iter().map(|name| Factory::new(name, &net)).collect();
    let client = client(&net);
    for _ in 0..STORM {
        let who = turn(&net);
        factories[who].act();
        // A person who changes their mind.
        if net.lock().fault(2) {
            let id = jobs[net.lock().dice.index(jobs.len())];
            let _ = client.cancel(id);
        }
    }
    net.lock().stormy = false;
    for n in 0..CALM {
        // Not after every turn: the look costs more than the turn.
        if n % 12 == 0 && turns_are_over(&net, &jobs) {
            break;
        }
        let who = turn(&net);
        factories[who].act();
    }
    let mut net = net.lock();
    for id in jobs {
        let (row, is_over) = (net.coordinator().job(id), net.is_over(id));
        net.witness.judge(&row, is_over);
    }
    net.witness.counts
}

fn turn(net: &Network) -> usize {
    let mut net = net.lock();
    let pause = net.some(PAUSE);
    net.pass(pause);
    net.dice.index(3)
}

fn turns_are_over(net: &Network, jobs: &[FleetJobId]) -> bool {
    let mut net = net.lock();
    // Whatever was taken down comes back first.
    while !net.is_up() {
        net.pass(1_000);
    }
    jobs.iter().all(|id| net.is_over(*id))
}

fn client(net: &Network) -> CoordinatorClient {
    let (clock, transport) = (Arc::new(net.clone()), Arc::new(net.clone()));
    CoordinatorClient::new(transport, clock, TOKEN.parse().unwrap(), Duration::from_secs(10))
}

/// Jobs with deps and locks. They are submitted in fine weather.
fn submit_all(net: &Network) -> Vec<FleetJobId> {
    let client = client(net);
    net.lock().stormy = false;
    let mut made: Vec<FleetJobId> = Vec::new();
    for n in 0..JOBS {
        let mut front = format!("idempotency-key: key-{n}\n");
        let dep = (n > 0 && net.lock().chance(400)).then(|| net.lock().dice.roll(n));
        if let Some(dep) = dep {
            front += &format!("deps: [key-{dep}]\n");
        }
        if net.lock().chance(400) {
            front += &format!("lock: lock-{}\n", net.lock().dice.roll(2));
        }
        let manifest = format!("---\n{front}---\nDo it.\n");
        let name = format!("job-{n}").parse().unwrap();
        let submit = SubmitRequest { manifest, name, shadow: false, factory_id: None };
        let id = client.submit(&submit).unwrap().value.job_id;
        if let Some(dep) = dep {
            let dep = made[usize::try_from(dep).unwrap()];
            net.lock().witness.deps.insert(id, vec![dep]);
        }
        made.push(id);
    }
    net.lock().stormy = true;
    made
}
