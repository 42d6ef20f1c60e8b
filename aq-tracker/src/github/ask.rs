//! Asking GitHub: what its status codes and limits mean.

use crate::error::{TrackerError, detail};
use crate::items::message;
use crate::limit::limit;
use crate::transport::{TrackerRequest, TrackerResponse, TrackerTransport};

use super::{GitHub, WHO};

impl<T: TrackerTransport> GitHub<T> {
    /// Sends a request about `what`, and answers what came back when that is good.
    pub(super) fn ask(
        &self,
        what: &str,
        request: &TrackerRequest,
    ) -> Result<TrackerResponse, TrackerError> {
        let answer = self.transport.send(request)?;
        if answer.is_good() { Ok(answer) } else { Err(problem(&answer, what)) }
    }

    /// The page after this one. A page elsewhere would get the token.
    pub(super) fn next_page(
        &self,
        answer: &TrackerResponse,
    ) -> Result<Option<String>, TrackerError> {
        let Some(next) = answer.header("link").and_then(next_link) else { return Ok(None) };
        match next.strip_prefix(&self.base).filter(|path| path.starts_with('/')) {
            Some(path) => Ok(Some(path.to_owned())),
            None => Err(TrackerError::Unavailable {
                who: WHO,
                detail: "the next page lies at another address".to_owned(),
            }),
        }
    }
}

fn next_link(field: &str) -> Option<&str> {
    let next = field.split(',').find(|link| link.contains("rel=\"next\""))?;
    next.split_once('<')?.1.split_once('>').map(|(url, _)| url)
}

/// The meaning of an answer that is not good.
pub(crate) fn problem(answer: &TrackerResponse, what: &str) -> TrackerError {
    let said = message(answer);
    let detail = detail(answer.status, &said);
    if let Some(after) = limit(answer, &said) {
        return TrackerError::Limited { who: WHO, after };
    }
    let (variable, item) = ("AQ_GITHUB_TOKEN or GITHUB_TOKEN", what.to_owned());
    match answer.status {
        401 => TrackerError::Denied { who: WHO, variable, detail },
        // An issue is locked, or a repository is not the token's: others may get theirs.
        403 => TrackerError::Forbidden { who: WHO, item, variable, detail },
        404 | 410 => TrackerError::NotFound { who: WHO, item },
        300..=399 => TrackerError::Refused {
            who: WHO,
            detail: format!("{what} has moved; use its new name"),
        },
        400..=499 if answer.status != 408 => TrackerError::Refused { who: WHO, detail },
        _ => TrackerError::Failed { who: WHO, detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], said: &str) -> TrackerResponse {
        let headers =
            headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        TrackerResponse { status, headers, body: format!("{{\"message\": {said:?}}}") }
    }

    #[test]
    fn a_limit_is_no_refusal_of_the_token() {
        let zero = [("x-ratelimit-remaining", "0")];
        let kind = |answer: TrackerResponse| match problem(&answer, "x") {
            TrackerError::Limited { .. } => "limited",
            TrackerError::Denied { .. } => "denied",
            TrackerError::Forbidden { .. } => "forbidden",
            _ => "other",
        };
        assert_eq!(kind(answer(403, &zero, "")), "limited");
        assert_eq!(kind(answer(403, &[], "You have exceeded a secondary rate limit.")), "limited");
        assert_eq!(kind(answer(401, &[], "Bad credentials")), "denied");
        assert_eq!(
            kind(answer(403, &[], "Unable to create comment: issue is locked")),
            "forbidden"
        );
    }

    #[test]
    fn next_page_stays_on_host() {
        struct Nobody;
        impl TrackerTransport for Nobody {
            fn send(&self, _: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
                panic!("nothing is to be asked");
            }
        }
        let github = GitHub::new(Nobody, "https://h/api/v3/");
        let page = |link: &str| github.next_page(&answer(200, &[("link", link)], ""));
        let link =
            "<https://h/api/v3/a?page=1>; rel=\"prev\", <https://h/api/v3/a?page=3>; rel=\"next\"";
        assert_eq!(page(link).unwrap().as_deref(), Some("/a?page=3"));
        assert_eq!(page("<https://h/api/v3/a>; rel=\"last\"").unwrap(), None);
        for elsewhere in ["https://evil/a", "https://h/api/v3.evil/a", "http://h/api/v3/a"] {
            assert!(page(&format!("<{elsewhere}>; rel=\"next\"")).is_err(), "{elsewhere}");
        }
    }
}
