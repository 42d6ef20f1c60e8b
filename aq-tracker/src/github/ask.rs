//! Asking GitHub: what its status codes and limits mean.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::{TrackerError, detail, pause};
use crate::items::message;
use crate::transport::{Answer, Request, Transport};

use super::{GitHub, WHO};

impl<T: Transport> GitHub<T> {
    /// Sends a request about `what`, and answers what came back when that is good.
    pub(super) fn ask(&self, what: &str, request: &Request) -> Result<Answer, TrackerError> {
        let answer = self.transport.send(request)?;
        if answer.is_good() { Ok(answer) } else { Err(problem(&answer, what)) }
    }

    /// The page after this one. A page elsewhere would get the token.
    pub(super) fn next_page(&self, answer: &Answer) -> Result<Option<String>, TrackerError> {
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

fn problem(answer: &Answer, what: &str) -> TrackerError {
    let said = message(answer);
    let detail = detail(answer.status, &said);
    match answer.status {
        403 | 429 if let Some(after) = limit(answer, &said) => {
            TrackerError::Limited { who: WHO, after }
        }
        401 | 403 => {
            let variable = "AQ_GITHUB_TOKEN or GITHUB_TOKEN";
            TrackerError::Denied { who: WHO, variable, detail }
        }
        404 | 410 => TrackerError::NotFound { who: WHO, item: what.to_owned() },
        300..=399 => TrackerError::Refused {
            who: WHO,
            detail: format!("{what} has moved; use its new name"),
        },
        400..=499 if answer.status != 408 => TrackerError::Refused { who: WHO, detail },
        _ => TrackerError::Unavailable { who: WHO, detail },
    }
}

/// How long to wait, when this is a limit.
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>
fn limit(answer: &Answer, said: &str) -> Option<Duration> {
    let number = |name| answer.header(name)?.trim().parse::<u64>().ok();
    if answer.header("retry-after").is_some() {
        return Some(pause(number("retry-after")));
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        return Some(pause(number("x-ratelimit-reset").map(|at| at.saturating_sub(now))));
    }
    let is_secondary = said.to_ascii_lowercase().contains("rate limit");
    (answer.status == 429 || is_secondary).then(|| pause(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&str, &str)], said: &str) -> Answer {
        let headers =
            headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, body: format!("{{\"message\": {said:?}}}") }
    }

    #[test]
    fn limits_name_a_pause() {
        let seconds = |answer: Answer| match problem(&answer, "x") {
            TrackerError::Limited { after, .. } => Some(after.as_secs()),
            _ => None,
        };
        let secondary = "You have exceeded a secondary rate limit.";
        assert_eq!(seconds(answer(403, &[("retry-after", "7")], secondary)), Some(7));
        assert_eq!(seconds(answer(429, &[("retry-after", "soon")], "")), Some(60));
        assert_eq!(seconds(answer(403, &[], secondary)), Some(60));
        assert_eq!(seconds(answer(429, &[], "")), Some(60));
        let far = u64::MAX.to_string();
        assert_eq!(seconds(answer(429, &[("retry-after", &far)], "")), Some(3_600));
        let primary = |reset| [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)];
        assert_eq!(seconds(answer(403, &primary("0"), "")), Some(1));
        assert_eq!(seconds(answer(403, &primary("99999999999"), "")), Some(3_600));
        // Used up some time, but that is not why.
        assert_eq!(seconds(answer(403, &[("x-ratelimit-remaining", "3")], "no access")), None);
    }

    #[test]
    fn the_next_page_is_read_and_one_elsewhere_is_not_asked() {
        struct Nobody;
        impl Transport for Nobody {
            fn send(&self, _: &Request) -> Result<Answer, TrackerError> {
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
