//! How long a heartbeat takes when a whole fleet sends them.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::crowd::{CrowdSize, PeerCrowd};
use super::server::Server;
use super::wire::Wire;

/// The numbers of heartbeats, and of milliseconds in the middle, at 99 % and at most. Each factory
/// has a connection, registers, and sends a heartbeat a period, spread evenly, beside a crowd.
pub(crate) fn measure(
    database: &str,
    factories: usize,
    times: [usize; 2],
    crowd: CrowdSize,
) -> String {
    let [period, seconds] = times.map(|seconds| Duration::from_secs(seconds as u64));
    let server = Server::start(database);
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut took = client.block_on(async {
        let mut wires = Vec::new();
        for n in 0..factories {
            let mut wire = Wire::open(server.address).await;
            let body = concat!(
                r#"{"host":"h","capabilities":["os:linux"],"capacity":4,"version":"0.1.0","#,
                r#""instanceId":"i"}"#,
            );
            wire.send("PUT", &format!("/v1/factories/f{n}"), body).await;
            let claimed = wire.send("POST", "/v1/claims", &claim(n)).await;
            let lease = lease(claimed);
            wires.push((wire, lease));
        }
        let _crowd = (crowd != [0, 0]).then(|| PeerCrowd::gather(server.address, crowd));
        let begun = Instant::now() + Duration::from_millis(100);
        let mut beating = JoinSet::new();
        for (n, (mut wire, lease)) in wires.into_iter().enumerate() {
            let path = format!("/v1/factories/f{n}/heartbeat");
            let mut next = begun + period.mul_f64(n as f64 / factories as f64);
            beating.spawn(async move {
                let mut took = Vec::new();
                let body = format!(r#"{{"instanceId":"i","free":3,"leases":[{lease}]}}"#);
                while next < begun + seconds {
                    tokio::time::sleep_until(next.into()).await;
                    wire.send("POST", &path, &body).await;
                    // From when it should have been sent: a queue in the client counts, too.
                    took.push(next.elapsed());
                    next += period;
                }
                took
            });
        }
        beating.join_all().await.concat()
    });
    took.sort_unstable();
    let at = |part: f64| {
        let place = (took.len() as f64 * part) as usize;
        took[place.min(took.len() - 1)].as_secs_f64() * 1000.0
    };
    let many = took.len();
    format!("{many} {:.2} {:.2} {:.2}", at(0.5), at(0.99), at(1.0))
}

fn claim(factory: usize) -> String {
    let id = std::process::id();
    format!(
        "{{\"requestId\":\"r-{id}-{factory}\",\"factoryId\":\"f{factory}\",\
        \"capabilities\":[\"os:linux\"],\"free\":1}}"
    )
}

/// The lease that a claim gave, as a heartbeat names it; nothing when it gave none.
fn lease(claimed: &str) -> String {
    let after = |key: &str, end: char| {
        let (_, rest) = claimed.split_once(key)?;
        rest.split(end).next()
    };
    let found = after(r#""jobId":""#, '"').zip(after(r#""epoch":"#, ','));
    found.map_or_else(String::new, |(job, epoch)| format!(r#"{{"jobId":"{job}","epoch":{epoch}}}"#))
}
