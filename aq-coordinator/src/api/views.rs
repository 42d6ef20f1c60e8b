//! Rows as the wire shows them: ages in place of times.

use std::time::Duration;

use aq_fleet::protocol::{
    FactoryView, FleetStats, GrantView, GrantedDep, JobSummary, JobView, LeaseGrant, ReportView,
    SlotCount, SpentSum,
};
use aq_scheduler::WaitReason;

use super::refusal::ApiRefusal;
use crate::ledger::{DbTime, FleetJob, GrantRecord, JobNamespace, LeaseEnd};
use crate::store::{FactoryRow, FleetNumbers, GrantedJob, HostSlots, JobDetail, ReportRecord};

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn ago(then: DbTime, now: DbTime) -> u64 {
    millis(now.since(then))
}

pub(super) fn bad_cursor() -> ApiRefusal {
    ApiRefusal::invalid("cursor", "a cursor is what `next` of the page before says")
}

pub(super) fn grant(granted: GrantedJob, deps: Vec<GrantedDep>) -> LeaseGrant {
    let GrantedJob { job, manifest, expires_in } = granted;
    LeaseGrant {
        job_id: job.id,
        key: job.key,
        name: Some(job.terms.name),
        epoch: job.epoch,
        lease_ms: millis(expires_in),
        manifest,
        checkpoint: job.checkpoint,
        deps,
    }
}

pub(super) fn summary(job: &FleetJob, now: DbTime) -> JobSummary {
    JobSummary {
        job_id: job.id,
        key: job.key.clone(),
        name: job.terms.name.clone(),
        stage: job.stage,
        result: job.result,
        priority: job.terms.priority,
        lock: job.terms.lock.clone(),
        shadow: job.world != JobNamespace::Fleet,
        epoch: job.epoch,
        holder: job.holder().cloned(),
        last_holder: job.tenure.as_ref().map(|tenure| tenure.factory.clone()),
        expires_in_ms: job.expires_in(now).map(millis),
        lapsed: job.is_lapsed(),
        cancel: job.cancel,
        in_doubt: job.doubted,
        attempts: job.attempts,
        age_ms: ago(job.submitted_at, now),
    }
}

pub(super) fn detail(found: JobDetail, now: DbTime, waiting: Option<WaitReason>) -> JobView {
    JobView {
        job: summary(&found.job, now),
        waiting: waiting.as_ref().map(ToString::to_string),
        waiting_reason: waiting,
        deps: found.job.terms.deps,
        checkpoint: found.job.checkpoint,
        grants: found.grants.into_iter().map(|record| grant_view(record, now)).collect(),
        reports: found.reports.into_iter().map(|record| report_view(record, now)).collect(),
    }
}

fn grant_view(record: GrantRecord, now: DbTime) -> GrantView {
    GrantView {
        epoch: record.epoch,
        factory_id: record.factory,
        instance_id: record.instance,
        started_ms_ago: ago(record.started, now),
        ended_ms_ago: record.ended.map(|ended| ago(ended, now)),
        outcome: match record.end {
            Some(LeaseEnd::Released(outcome)) => Some(outcome),
            Some(LeaseEnd::Lost) | None => None,
        },
        lost: record.end == Some(LeaseEnd::Lost),
    }
}

fn report_view(record: ReportRecord, now: DbTime) -> ReportView {
    ReportView {
        epoch: record.epoch,
        seq: record.seq,
        stage: record.stage,
        ms_ago: ago(record.at, now),
        checkpoint: record.checkpoint,
        metrics: record.metrics,
    }
}

pub(super) fn factory(row: FactoryRow, now: DbTime, lease: Duration) -> FactoryView {
    FactoryView {
        factory_id: row.id,
        host: row.host,
        version: row.version,
        instance_id: row.instance,
        capabilities: row.capabilities,
        capacity: row.capacity,
        free: row.free,
        alive: now.since(row.seen) <= lease,
        seen_ms_ago: ago(row.seen, now),
        draining: row.draining,
        holds: row.holds,
    }
}

pub(super) fn stats(numbers: FleetNumbers) -> FleetStats {
    let sum = |of: fn(&HostSlots) -> u32| numbers.slots.iter().map(of).map(u64::from).sum();
    let slots = SlotCount { in_use: sum(|slots| slots.in_use), free: sum(|slots| slots.free) };
    let totals = numbers.totals;
    let failures = totals.failed.iter().map(|(result, n)| (result.to_string(), *n)).collect();
    FleetStats {
        factories_alive: numbers.factories_alive,
        factories_known: numbers.factories_known,
        queue: numbers.depth,
        held: numbers.held,
        oldest_wait_ms: numbers.oldest_wait.map(millis),
        restored_ms_ago: numbers.restored.map(millis),
        in_doubt: numbers.in_doubt,
        agreement: numbers.agreement,
        slots: Some(slots),
        spent: Some(SpentSum {
            cost_usd: totals.cost_micros as f64 / 1e6,
            input_tokens: totals.input_tokens,
            cached_tokens: totals.cached_tokens,
            output_tokens: totals.output_tokens,
        }),
        failures,
    }
}
