//! Claims a second: each factory asks for one job, and for the next when it has it.

use std::time::Instant;

use tokio::task::JoinSet;

use super::server::Server;
use super::wire::Wire;

/// Connections that submit at the same time.
const SUBMITTERS: usize = 32;

/// Submits jobs until this many wait.
pub(crate) fn fill(database: &str, jobs: usize) -> String {
    let server = Server::start(database);
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    client.block_on(async {
        let mut submitters = JoinSet::new();
        for n in 0..SUBMITTERS {
            let mut wire = Wire::open(server.address).await;
            let many = jobs / SUBMITTERS + usize::from(n < jobs % SUBMITTERS);
            submitters.spawn(async move {
                let body = r#"{"name":"job","manifest":"---\nlock: none\n---\ntrue\n"}"#;
                for _ in 0..many {
                    wire.send("POST", "/v1/jobs", body).await;
                }
            });
        }
        submitters.join_all().await;
    });
    format!("{:.0}", jobs as f64 / begun.elapsed().as_secs_f64())
}

/// Claims a second, when each of this many factories makes so many.
pub(crate) fn measure(database: &str, factories: usize, each: usize) -> String {
    let server = Server::start(database);
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let took = client.block_on(async {
        let mut wires = Vec::new();
        for n in 0..factories {
            let mut wire = Wire::open(server.address).await;
            // The first claim waits for the coordinator to have read what there is.
            claim(&mut wire, n, 0).await;
            wires.push(wire);
        }
        let begun = Instant::now();
        let mut asking = JoinSet::new();
        for (n, mut wire) in wires.into_iter().enumerate() {
            asking.spawn(async move {
                for request in 1..=each {
                    claim(&mut wire, n, request).await;
                }
            });
        }
        asking.join_all().await;
        begun.elapsed()
    });
    format!("{:.0}", (each * factories) as f64 / took.as_secs_f64())
}

/// A claim, for which there is a job.
async fn claim(wire: &mut Wire, factory: usize, request: usize) {
    let id = std::process::id();
    let body = format!(
        "{{\"requestId\":\"r-{id}-{factory}-{request}\",\"factoryId\":\"f{factory}\",\
        \"capabilities\":[\"os:linux\",\"arch:x86_64\",\"engine:shell\"],\"free\":1}}"
    );
    let answer = wire.send("POST", "/v1/claims", &body).await;
    assert!(answer.contains("epoch"), "no job was left");
}
