//! The calls, one method each.

use std::fmt::Write as _;
use std::time::Duration;

use super::call::{CallAnswer, CoordinatorClient, PendingCall};
use super::error::CallError;
use super::transport::HttpMethod;
use crate::protocol::{
    CallDone, ClaimRequest, ClaimResponse, DrainOrder, EventPage, EventsRequest, FactoryId,
    FactoryPage, FeedQuery, FleetJobId, FleetStats, HeartbeatAnswer, HeartbeatRequest, JobPage,
    JobQuery, JobSummary, JobView, MAX_MANIFEST_BYTES, PageQuery, RegisterRequest,
    RegisterResponse, ReleaseRequest, RenewRequest, RenewResponse, ReportRequest, SubmitRequest,
    SubmitResponse,
};

type Result<T> = std::result::Result<CallAnswer<T>, CallError>;

/// Every method has the same errors: those of [`CallError`].
#[expect(clippy::missing_errors_doc, reason = "said once, above, for all")]
impl CoordinatorClient {
    /// `PUT /v1/factories/{factoryId}`.
    pub fn register(
        &self,
        factory: &FactoryId,
        register: &RegisterRequest,
    ) -> Result<RegisterResponse> {
        let call = PendingCall::post(format!("/v1/factories/{factory}"), register)?;
        self.call(PendingCall { method: HttpMethod::Put, ..call })
    }

    /// `POST /v1/factories/{factoryId}/heartbeat`. Leases in the answer count from `sent_at`.
    pub fn heartbeat(
        &self,
        factory: &FactoryId,
        beat: &HeartbeatRequest,
    ) -> Result<HeartbeatAnswer> {
        self.call(PendingCall::post(format!("/v1/factories/{factory}/heartbeat"), beat)?)
    }

    /// `POST /v1/factories/{factoryId}/drain`: whether it is to take no more jobs.
    pub fn drain(&self, factory: &FactoryId, drain: bool) -> Result<CallDone> {
        self.call(PendingCall::post(
            format!("/v1/factories/{factory}/drain"),
            &DrainOrder { drain },
        )?)
    }

    /// `POST /v1/claims`. Every try has the claim's `requestId`, and after an `Unreachable` the
    /// caller sends the same claim again: the jobs may have been granted. Leases count from
    /// the first try, because the answer may repeat what an earlier one was granted.
    ///
    /// The answer to a dry run is passed on as it is, so that all leases in it can be released
    /// (docs/fleet.md).
    pub fn claim(&self, claim: &ClaimRequest) -> Result<ClaimResponse> {
        let call = PendingCall::post("/v1/claims".to_owned(), claim)?;
        let extra = Duration::from_millis(claim.wait_ms);
        let answer: CallAnswer<ClaimResponse> =
            self.call(PendingCall { extra, from_first_try: true, ..call })?;
        if claim.dry_run {
            return Ok(answer);
        }
        let jobs = &answer.value.jobs;
        if u32::try_from(jobs.len()).map_or(true, |n| n > claim.free) {
            return Err(self.garbled(&format!("{} jobs for {} slots", jobs.len(), claim.free)));
        }
        for job in jobs {
            if job.manifest.len() >= MAX_MANIFEST_BYTES {
                return Err(self.garbled(&format!("the manifest of {} is too large", job.job_id)));
            }
            if job.epoch.is_dry() {
                return Err(self.garbled(&format!("a grant of {} with epoch 0", job.job_id)));
            }
        }
        Ok(answer)
    }

    /// `POST /v1/jobs/{jobId}/renew`. The lease counts from `sent_at`.
    pub fn renew(&self, job: FleetJobId, renew: &RenewRequest) -> Result<RenewResponse> {
        self.call(PendingCall::post(format!("/v1/jobs/{job}/renew"), renew)?)
    }

    /// `POST /v1/jobs/{jobId}/reports`.
    pub fn report(&self, job: FleetJobId, report: &ReportRequest) -> Result<CallDone> {
        self.call(PendingCall::post(format!("/v1/jobs/{job}/reports"), report)?)
    }

    /// `POST /v1/jobs/{jobId}/release`.
    pub fn release(&self, job: FleetJobId, release: &ReleaseRequest) -> Result<CallDone> {
        self.call(PendingCall::post(format!("/v1/jobs/{job}/release"), release)?)
    }

    /// `POST /v1/jobs/{jobId}/events`.
    pub fn events(&self, job: FleetJobId, events: &EventsRequest) -> Result<CallDone> {
        self.call(PendingCall::post(format!("/v1/jobs/{job}/events"), events)?)
    }

    /// `POST /v1/jobs`. The answer's status is 201 for a new job, 200 for one that was there.
    ///
    /// A file without an idempotency key would become two jobs if it were sent twice, so then
    /// a try whose answer was lost is not repeated.
    pub fn submit(&self, submit: &SubmitRequest) -> Result<SubmitResponse> {
        let call = PendingCall::post("/v1/jobs".to_owned(), submit)?;
        let key = aq_manifest::parse(&submit.manifest).manifest.idempotency_key;
        self.call(PendingCall { repeatable: key.is_some(), ..call })
    }

    /// `GET /v1/jobs`: one page.
    pub fn jobs(&self, query: &JobQuery) -> Result<JobPage> {
        let stage = query.stage.map(|stage| stage.to_string());
        let limit = query.limit.map(|limit| limit.to_string());
        self.call(PendingCall::get(with_query(
            "/v1/jobs",
            &[
                ("stage", stage.as_deref()),
                ("factory", query.factory.as_ref().map(FactoryId::as_str)),
                ("lastHolder", query.last_holder.as_ref().map(FactoryId::as_str)),
                ("named", query.named.as_deref()),
                ("cursor", query.cursor.as_deref()),
                ("limit", limit.as_deref()),
            ],
        )))
    }

    /// `GET /v1/jobs/{jobId}`.
    pub fn job(&self, job: FleetJobId) -> Result<JobView> {
        self.call(PendingCall::get(format!("/v1/jobs/{job}")))
    }

    /// `POST /v1/jobs/{jobId}/cancel`.
    pub fn cancel(&self, job: FleetJobId) -> Result<JobSummary> {
        self.call(PendingCall::post(format!("/v1/jobs/{job}/cancel"), &CallDone {})?)
    }

    /// `POST /v1/jobs/{jobId}/requeue`.
    pub fn requeue(&self, job: FleetJobId) -> Result<JobSummary> {
        self.call(PendingCall::post(format!("/v1/jobs/{job}/requeue"), &CallDone {})?)
    }

    /// `GET /v1/factories`: one page.
    pub fn factories(&self, query: &PageQuery) -> Result<FactoryPage> {
        let limit = query.limit.map(|limit| limit.to_string());
        let query = [("cursor", query.cursor.as_deref()), ("limit", limit.as_deref())];
        self.call(PendingCall::get(with_query("/v1/factories", &query)))
    }

    /// `GET /v1/stats`.
    pub fn stats(&self) -> Result<FleetStats> {
        self.call(PendingCall::get("/v1/stats".to_owned()))
    }

    /// `GET /v1/feed`: one page. A coordinator of version 0.1 does not know it: 404.
    pub fn feed(&self, query: &FeedQuery) -> Result<EventPage> {
        let text = |number: Option<u64>| number.map(|number| number.to_string());
        let (after, since) = (text(query.after), text(query.since_ms));
        let (limit, wait) = (text(query.limit.map(u64::from)), text(query.wait_ms));
        let query_of = [
            ("after", after.as_deref()),
            ("sinceMs", since.as_deref()),
            ("limit", limit.as_deref()),
            ("waitMs", wait.as_deref()),
        ];
        let extra = Duration::from_millis(query.wait_ms.unwrap_or_default());
        self.call(PendingCall { extra, ..PendingCall::get(with_query("/v1/feed", &query_of)) })
    }

    /// `GET /readyz`: whether the coordinator has its database. The body does not matter.
    pub fn ready(&self) -> Result<()> {
        let (response, sent_at) = self.answered(PendingCall::get("/readyz".to_owned()))?;
        Ok(CallAnswer { value: (), status: response.status, sent_at })
    }
}

/// A path with the parts of a query that have a value.
fn with_query(path: &str, parts: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    let given = parts.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    for ((name, value), sign) in given.zip(std::iter::once('?').chain(std::iter::repeat('&'))) {
        out.push(sign);
        out.push_str(name);
        out.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
                out.push(char::from(byte));
            } else {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_values_are_escaped() {
        assert_eq!(with_query("/p", &[("a", None)]), "/p");
        let query = [("a", Some("x&b=1 é#")), ("b", None), ("c", Some("2"))];
        assert_eq!(with_query("/p", &query), "/p?a=x%26b%3D1%20%C3%A9%23&c=2");
    }
}
