//! Limits of trackers: which answers are a wish for a pause, and not a refusal.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::error::pause;
use crate::transport::TrackerResponse;

/// Statuses that may be a limit. 403 is GitHub's for most of its limits, 503 that of servers under
/// load.
const STATUSES: [u16; 3] = [403, 429, 503];

/// Messages of GitHub's secondary limit, the one of today and the one of before.
const SECONDARY: [&str; 2] = ["rate limit", "abuse detection"];

/// The pause that an answer asks for; `None`: it is no limit.
/// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>
pub(crate) fn limit(answer: &TrackerResponse, said: &str) -> Option<Duration> {
    if !STATUSES.contains(&answer.status) {
        return None;
    }
    let number = |name| answer.header(name)?.trim().parse::<u64>().ok();
    if answer.header("retry-after").is_some() {
        return Some(pause(number("retry-after")));
    }
    if answer.status == 503 {
        return None;
    }
    if number("x-ratelimit-remaining") == Some(0) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        return Some(pause(number("x-ratelimit-reset").map(|at| at.saturating_sub(now))));
    }
    let said = said.to_ascii_lowercase();
    let is_secondary = SECONDARY.iter().any(|words| said.contains(words));
    (answer.status == 429 || is_secondary).then(|| pause(None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(status: u16, headers: &[(&str, &str)], said: &str) -> Option<u64> {
        let headers =
            headers.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let answer = TrackerResponse { status, headers, body: String::new() };
        limit(&answer, said).map(|pause| pause.as_secs())
    }

    #[test]
    fn limits_name_a_pause() {
        let secondary = "You have exceeded a secondary rate limit.";
        let abuse = "You have triggered an abuse detection mechanism.";
        let far = u64::MAX.to_string();
        let primary = |reset| [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)];
        assert_eq!(seconds(403, &[("retry-after", "7")], secondary), Some(7));
        assert_eq!(seconds(503, &[("retry-after", "7")], ""), Some(7));
        assert_eq!(seconds(429, &[("retry-after", "soon")], ""), Some(60));
        assert_eq!(seconds(403, &[], secondary), Some(60));
        assert_eq!(seconds(403, &[], abuse), Some(60));
        assert_eq!(seconds(429, &[], ""), Some(60));
        assert_eq!(seconds(429, &[("retry-after", &far)], ""), Some(3_600));
        assert_eq!(seconds(403, &primary("0"), ""), Some(1));
        assert_eq!(seconds(403, &primary("99999999999"), ""), Some(3_600));
    }

    #[test]
    fn other_refusals_are_no_limits() {
        let locked = "Unable to create comment because issue is locked.";
        assert_eq!(seconds(403, &[("x-ratelimit-remaining", "3")], locked), None);
        assert_eq!(seconds(401, &[("retry-after", "7")], ""), None);
        assert_eq!(seconds(503, &[], ""), None);
        assert_eq!(seconds(500, &[], "rate limit"), None);
    }
}
