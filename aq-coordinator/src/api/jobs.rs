//! Jobs as people and programs put them in, look at them and move them.

use std::sync::Arc;

use aq_fleet::protocol::{
    DEFAULT_PAGE, JobPage, JobQuery, JobSummary, JobView, MAX_PAGE, ProblemBody, ProblemKind,
    SubmitRequest, SubmitResponse,
};
use aq_scheduler::WaitReason;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::body::{JobInPath, JsonBody, QueryParameters};
use super::guard::permit;
use super::refusal::ApiRefusal;
use super::state::ApiState;
use super::{manifest, views};
use crate::assign::CycleCheck;
use crate::auth::{ApiCaller, ScopeNeed};
use crate::ledger::{FleetJob, JobSubmission};
use crate::store::{self, JobFilter};

/// Number of times that a submission is checked again because others changed the graph meanwhile.
const MAX_CHECKS: usize = 20;

/// Submit a job. 201 for a new one; 200 for a key and body that are known, and for a body that
/// takes the place of one that nobody had begun with.
#[utoipa::path(
    post, path = "/v1/jobs", tag = "jobs",
    request_body = SubmitRequest,
    responses(
        (status = 201, body = SubmitResponse),
        (status = 200, body = SubmitResponse),
        (
            status = 409, description = "`existing`: the key belongs to another text",
            body = ProblemBody, content_type = "application/problem+json"
        ),
    ),
)]
pub(super) async fn submit(
    State(api): State<Arc<ApiState>>,
    Extension(caller): Extension<ApiCaller>,
    JsonBody(submit): JsonBody<SubmitRequest>,
) -> Result<(StatusCode, Json<SubmitResponse>), ApiRefusal> {
    permit(
        &caller,
        match &submit.factory_id {
            Some(owner) if submit.shadow => ScopeNeed::ActAs(owner),
            // Without an owner it is refused for that.
            _ if submit.shadow => ScopeNeed::Act,
            _ => ScopeNeed::Submit,
        },
    )?;
    let submission = manifest::read(submit, api.echoes.as_ref())?;
    for _ in 0..MAX_CHECKS {
        let graph = checked(&api, &submission).await?;
        let (status, job) = match api.store.submit(submission.clone(), graph).await? {
            store::SubmitResult::Created(job) => (StatusCode::CREATED, job),
            store::SubmitResult::Same(job) | store::SubmitResult::Superseded(job) => {
                (StatusCode::OK, job)
            }
            store::SubmitResult::Clash(job) => return Err(clash(&job)),
            store::SubmitResult::GraphMoved => continue,
        };
        api.pulse.beat();
        return Ok((status, Json(SubmitResponse { job_id: job.id, key: job.key })));
    }
    Err(ApiRefusal::unavailable("others submit jobs with deps all the time; try it again"))
}

/// The version of the graph in which the job closes no circle. A job without deps closes none.
async fn checked(api: &ApiState, submission: &JobSubmission) -> Result<Option<u64>, ApiRefusal> {
    let deps = &submission.terms.deps;
    if deps.is_empty() {
        return Ok(None);
    }
    let (world, key) = (submission.world.clone(), submission.key.clone());
    match api.assign.check(world, key, deps.clone()).await? {
        CycleCheck::Fits(graph) => Ok(Some(graph)),
        CycleCheck::Circle(cycle) => {
            let detail = format!("the deps form a circle: {cycle}; take one of these deps out");
            let mut problem = ProblemBody::new(ProblemKind::Cycle, detail);
            problem.path = Some("manifest".to_owned());
            problem.cycle = cycle.0;
            Err(problem.into())
        }
    }
}

fn clash(job: &FleetJob) -> ApiRefusal {
    let detail = format!(
        "the key {} belongs to job {}, which has left the queue with another text; use another \
         idempotency-key",
        job.key, job.id
    );
    let mut problem = ProblemBody::new(ProblemKind::Existing, detail);
    problem.job_id = Some(job.id);
    problem.stage = Some(job.stage);
    problem.into()
}

/// List jobs, in the order in which they were submitted.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs",
    params(
        ("stage" = Option<String>, Query, description = "Only those in this stage"),
        ("factory" = Option<String>, Query, description = "Only those that this factory holds"),
        ("lastHolder" = Option<String>, Query, description = "Only those that it has, or had last"),
        ("named" = Option<String>, Query, description = "Only those of this key or name"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<u32>, Query, description = "How many at most; 100 unless given"),
    ),
    responses((status = 200, body = JobPage)),
)]
pub(super) async fn list(
    State(api): State<Arc<ApiState>>,
    QueryParameters(query): QueryParameters<JobQuery>,
) -> Result<Json<JobPage>, ApiRefusal> {
    let after = query.cursor.map(|cursor| cursor.parse()).transpose();
    let filter = JobFilter {
        world: None,
        stage: query.stage,
        factory: query.factory,
        last_holder: query.last_holder,
        named: query.named,
        after: after.map_err(|_| views::bad_cursor())?,
        limit: query.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE),
    };
    let page = api.store.jobs(filter).await?;
    let jobs = page.value.jobs.iter().map(|job| views::summary(job, page.now)).collect();
    Ok(Json(JobPage { jobs, next: page.value.next.map(|seq| seq.to_string()) }))
}

/// A job with its grants, its reports and the reason why it waits.
#[utoipa::path(
    get, path = "/v1/jobs/{jobId}", tag = "jobs",
    params(("jobId" = String, Path, description = "The job's id")),
    responses((status = 200, body = JobView)),
)]
pub(super) async fn show(
    State(api): State<Arc<ApiState>>,
    JobInPath(id): JobInPath,
) -> Result<Json<JobView>, ApiRefusal> {
    let found = api.store.job(id).await?;
    let found = found
        .ok_or_else(|| ApiRefusal::new(ProblemKind::NotFound, format!("there is no job {id}")))?;
    let waits = found.value.job.is_waiting();
    let world = found.value.job.world.clone();
    let waiting = if found.value.job.doubted {
        Some(WaitReason::InDoubt)
    } else if waits {
        api.assign.why(world, id).await?
    } else {
        None
    };
    Ok(Json(views::detail(found.value, found.now, waiting)))
}

/// Stop a job, or have its holder stop it.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/cancel", tag = "jobs",
    params(("jobId" = String, Path, description = "The job's id")),
    responses(
        (status = 200, body = JobSummary),
        (
            status = 409, description = "`wrong-stage`", body = ProblemBody,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn cancel(
    State(api): State<Arc<ApiState>>,
    JobInPath(job): JobInPath,
) -> Result<Json<JobSummary>, ApiRefusal> {
    let job = api.store.cancel(job).await?;
    api.pulse.beat();
    Ok(Json(views::summary(&job.value, job.now)))
}

/// Put a failed job back into the inbox.
#[utoipa::path(
    post, path = "/v1/jobs/{jobId}/requeue", tag = "jobs",
    params(("jobId" = String, Path, description = "The job's id")),
    responses(
        (status = 200, body = JobSummary),
        (
            status = 409, description = "`wrong-stage`", body = ProblemBody,
            content_type = "application/problem+json",
        ),
    ),
)]
pub(super) async fn requeue(
    State(api): State<Arc<ApiState>>,
    JobInPath(job): JobInPath,
) -> Result<Json<JobSummary>, ApiRefusal> {
    let job = api.store.requeue(job).await?;
    api.pulse.beat();
    Ok(Json(views::summary(&job.value, job.now)))
}
