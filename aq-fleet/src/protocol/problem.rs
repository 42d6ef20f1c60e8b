//! Refusals of a call: RFC 9457 problem documents.

use std::fmt;

use aq_manifest::Stage;
use serde::{Deserialize, Serialize};

use super::ids::{Epoch, FactoryId, FleetJobId};
use super::text;

/// The media type of a [`ProblemBody`].
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The beginning of a problem's `type`: a reference relative to the coordinator's address.
const PREFIX: &str = "/problems/";

/// The body of every answer that is no success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// `…/fenced` and the like; [`ProblemBody::kind`] reads it.
    #[serde(rename = "type", default)]
    pub kind_uri: String,
    /// The last part of the `type`: what a program compares. Version 0.1 gives none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The kind in a few words.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// The problem of this call, and the mend. From another machine: escape it before it is shown.
    #[serde(default)]
    pub detail: String,
    /// With `fenced`: the job's epoch now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_epoch: Option<Epoch>,
    /// With `fenced`: who holds the job now, when somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<FactoryId>,
    /// With `existing`: the job that has the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<FleetJobId>,
    /// With `existing` and `wrong-stage`: where that job is.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub stage: Option<Stage>,
    /// With `invalid`: the place in the body, such as `leases[3].epoch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// With `invalid-manifest`: the line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// With `invalid-manifest`: the column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// With `cycle`: its keys, the first one again at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<String>,
    /// With `too-old`: the oldest protocol that is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_protocol: Option<u32>,
    /// With `scope`: the scope that the token would need, such as `submit` or `host:mill-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// The kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// 409: the caller no longer owns the job, whatever the reason, and must stop it.
    Fenced,
    /// 409: the key is taken by another body that has left the queue.
    Existing,
    /// 409: what was asked for cannot be done to a job that is where this one is.
    WrongStage,
    /// 400: the body is no JSON.
    Malformed,
    /// 401: no token, or a wrong one.
    Unauthorized,
    /// 403: the token is known, and its scope does not cover the call.
    Scope,
    /// 404: no such job, factory or path.
    NotFound,
    /// 405: the path is there, the method is not.
    MethodNotAllowed,
    /// 408: the body did not arrive in time.
    Timeout,
    /// 413: the body is larger than allowed.
    TooLarge,
    /// 415: the body is not declared as JSON.
    UnsupportedMediaType,
    /// 422: a field is missing or wrong.
    Invalid,
    /// 422: the job file has an error.
    InvalidManifest,
    /// 422: the job would close a circle of dependencies.
    Cycle,
    /// 426: the client's protocol is too old.
    TooOld,
    /// 429: too many requests.
    RateLimited,
    /// 500: a bug of the coordinator.
    Internal,
    /// 503: the database cannot be reached, or the coordinator is going down.
    Unavailable,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Fenced,
        Self::Existing,
        Self::WrongStage,
        Self::Malformed,
        Self::Unauthorized,
        Self::Scope,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Timeout,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::InvalidManifest,
        Self::Cycle,
        Self::TooOld,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The HTTP status, the last part of the `type`, and the title.
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Fenced => (409, "fenced", "The job is no longer yours"),
            Self::Existing => (409, "existing", "The key belongs to another job"),
            Self::WrongStage => (409, "wrong-stage", "The job is somewhere else"),
            Self::Malformed => (400, "malformed", "The body cannot be read"),
            Self::Unauthorized => (401, "unauthorized", "A valid token is needed"),
            Self::Scope => (403, "scope", "The token may not do this"),
            Self::NotFound => (404, "not-found", "There is no such thing"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "Not with this method"),
            Self::Timeout => (408, "timeout", "The request took too long"),
            Self::TooLarge => (413, "too-large", "The body is too large"),
            Self::UnsupportedMediaType => (415, "unsupported-media-type", "The body must be JSON"),
            Self::Invalid => (422, "invalid", "A field is missing or wrong"),
            Self::InvalidManifest => (422, "invalid-manifest", "The job file has an error"),
            Self::Cycle => (422, "cycle", "The dependencies form a circle"),
            Self::TooOld => (426, "too-old", "This client is too old"),
            Self::RateLimited => (429, "rate-limited", "Too many requests"),
            Self::Internal => (500, "internal", "The coordinator made a mistake"),
            Self::Unavailable => (503, "unavailable", "Not now"),
        }
    }

    /// The HTTP status.
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// The last part of the `type`.
    pub const fn slug(self) -> &'static str {
        self.row().1
    }

    /// The kind in a few words.
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// The `type`: `/problems/fenced` and the like.
    pub fn uri(self) -> String {
        format!("{PREFIX}{}", self.slug())
    }
}

impl ProblemBody {
    /// A problem of a kind, with what is wrong here and the mend.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind_uri: kind.uri(),
            code: kind.slug().to_owned(),
            title: kind.title().to_owned(),
            status: kind.status(),
            detail: detail.into(),
            ..Self::default()
        }
    }

    /// The kind, by its code, else by the last part of its `type`; `None` for one that this version
    /// does not know.
    pub fn kind(&self) -> Option<ProblemKind> {
        let slug = match self.code.as_str() {
            "" => self.kind_uri.rsplit('/').next()?,
            code => code,
        };
        ProblemKind::ALL.into_iter().find(|kind| kind.slug() == slug)
    }
}

impl fmt::Display for ProblemBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, title, detail, .. } = self;
        write!(f, "{status} {}", title.escape_debug())?;
        if detail.is_empty() { Ok(()) } else { write!(f, ": {}", detail.escape_debug()) }
    }
}
