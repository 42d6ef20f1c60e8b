//! The line between a run loop and the worker of a fleet's job. The loop alone has the token: the
//! worker asks over the line, and the loop calls the coordinator and passes its answer on.
//!
//! Both ends send lines of JSON. A worker whose loop is gone, or never had a line for it, takes
//! that for a coordinator that cannot be reached: its reports wait in the outbox on disk.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use aq_fleet::outbox::{MessageOutbox, OutboxError, OutboxMessage};
use aq_fleet::protocol::{FactoryId, LeaseRef, PushedCheckpoint, ReportRequest, RunMetrics};
use aq_manifest::Stage;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::holder::{FleetHolder, HolderAnswer, report_of};

/// The longest line, in bytes: a report has a branch, a commit and some numbers.
const MAX_LINE: u64 = 64 << 10;

/// The longest wait of a worker for an answer: more than a loop needs to find that the coordinator
/// is away. A loop that is slower has been stopped.
const PATIENCE: Duration = Duration::from_secs(30);

/// A worker's request to its loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum LineRequest {
    /// Say how far the job has come.
    Report(Box<ReportRequest>),
    /// Ask whether the job may be shipped.
    Ship(Box<ReportRequest>),
    /// Ask whether the job is this host's.
    Renew,
}

/// The worker's side of a fleet's job.
#[derive(Debug)]
pub struct JobReporter {
    factory: FactoryId,
    lease: LeaseRef,
    outbox: MessageOutbox,
    line: Option<BufReader<UnixStream>>,
}

impl JobReporter {
    /// The reporter of a job that `factory` has under `lease`. Its outbox is in `dir`.
    ///
    /// # Errors
    /// When the outbox cannot be made.
    pub fn open(
        factory: FactoryId,
        lease: LeaseRef,
        dir: &Path,
        line: Option<UnixStream>,
    ) -> Result<Self, OutboxError> {
        let line = line.filter(|line| {
            // Without a limit a loop that pauses would hold the job up.
            let limited = line.set_read_timeout(Some(PATIENCE));
            limited.and_then(|()| line.set_write_timeout(Some(PATIENCE))).is_ok()
        });
        Ok(Self {
            factory,
            lease,
            outbox: MessageOutbox::open(dir)?,
            line: line.map(BufReader::new),
        })
    }

    /// Reports how far the job has come, and waits for the answer. When there is none, the report
    /// goes into the outbox.
    pub fn report(
        &mut self,
        seq: u64,
        stage: Stage,
        checkpoint: Option<PushedCheckpoint>,
        metrics: Option<RunMetrics>,
    ) -> HolderAnswer {
        let report = report_of(&self.factory, self.lease, seq, stage, checkpoint, metrics);
        if let Some(told) = self.ask(&LineRequest::Report(Box::new(report.clone()))) {
            return told;
        }
        // It may have been sent all the same: of two reports with one number the first counts.
        let message = OutboxMessage::Report(report);
        // Without room for it the coordinator hears of the next step.
        let _ = self.outbox.append(self.lease.job_id, &message);
        HolderAnswer::Later("no run loop answers".to_owned())
    }

    /// Asks whether the job may be shipped: the compare-and-set at the coordinator. This never
    /// waits in the outbox.
    pub fn ship(
        &mut self,
        seq: u64,
        checkpoint: Option<PushedCheckpoint>,
        metrics: Option<RunMetrics>,
    ) -> HolderAnswer {
        let stage = Stage::Shipped;
        let report = report_of(&self.factory, self.lease, seq, stage, checkpoint, metrics);
        let told = self.ask(&LineRequest::Ship(Box::new(report)));
        told.unwrap_or_else(|| HolderAnswer::Later("no run loop answers".to_owned()))
    }

    /// Asks whether the job is this host's.
    pub fn renew(&mut self) -> HolderAnswer {
        let told = self.ask(&LineRequest::Renew);
        told.unwrap_or_else(|| HolderAnswer::Later("no run loop answers".to_owned()))
    }

    /// The loop's answer. A line that fails once is not used again: an answer that comes late would
    /// be taken for that of the next request.
    fn ask(&mut self, request: &LineRequest) -> Option<HolderAnswer> {
        let mut line = self.line.take()?;
        send(line.get_mut(), request).ok()?;
        let told = receive(&mut line).ok()??;
        self.line = Some(line);
        Some(told)
    }
}

/// The loop's side: answers what the worker of one job asks, until its end of the line is closed.
pub fn serve_line(stream: UnixStream, holder: &FleetHolder, lease: LeaseRef) {
    let mut line = BufReader::new(stream);
    // A worker that is gone, or sends nonsense, is not answered any more.
    while let Ok(Some(request)) = receive(&mut line) {
        let told = match request {
            LineRequest::Report(report) if is_a_workers(&report, holder, lease) => {
                holder.report(lease, *report)
            }
            LineRequest::Ship(report) if is_a_ship(&report, holder, lease) => {
                holder.ship(lease, &report)
            }
            LineRequest::Report(_) | LineRequest::Ship(_) => return,
            LineRequest::Renew => holder.renew(lease),
        };
        if send(line.get_mut(), &told).is_err() {
            return;
        }
    }
}

/// Tests for a report that a worker makes of this job. The steps after these are the loop's own.
fn is_a_workers(report: &ReportRequest, holder: &FleetHolder, lease: LeaseRef) -> bool {
    matches!(report.stage, Stage::Building | Stage::Review) && is_of_lease(report, holder, lease)
}

/// Tests for the question of the worker that merges this job.
fn is_a_ship(report: &ReportRequest, holder: &FleetHolder, lease: LeaseRef) -> bool {
    report.stage == Stage::Shipped && is_of_lease(report, holder, lease)
}

fn is_of_lease(report: &ReportRequest, holder: &FleetHolder, lease: LeaseRef) -> bool {
    report.epoch == lease.epoch && report.factory_id == *holder.factory()
}

fn send(stream: &mut UnixStream, message: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(message)?;
    bytes.push(b'\n');
    stream.write_all(&bytes)
}

/// The next message; `None` at the end.
fn receive<T: DeserializeOwned>(line: &mut BufReader<UnixStream>) -> io::Result<Option<T>> {
    let mut bytes = Vec::new();
    line.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes)?;
    match bytes.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(serde_json::from_slice(&bytes)?)),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
