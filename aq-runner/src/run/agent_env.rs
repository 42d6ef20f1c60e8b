//! The environment that an agent gets: the user's, less what is none of its business.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use aq_manifest::{JobId, env_reference};

use super::environment::ProcessEnvironment;
use super::hidden_env::{UNATTENDED, is_hidden};
use super::settings::QueueSettings;

/// A variable that the `env` of a job or its engine refers to is not there, or is kept from agents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "env: {key} refers to ${{{name}}}, which is not set here, or is kept from agents; \
         set it where the run loop is started, or take it out of the `env` of the job or its engine"
)]
pub(crate) struct MissingVariable {
    key: String,
    name: String,
}

/// The identity of an agent, and the place where it may leave files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgentIdentity<'a> {
    pub(crate) id: &'a JobId,
    pub(crate) attempt: u32,
    pub(crate) queue: &'a Path,
    pub(crate) scratch: &'a Path,
}

/// Names that the user's environment is cleared of, beside those that are always hidden.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TakenOut<'a> {
    /// `env-deny` of the config.
    pub(crate) deny: &'a [String],
    /// Marks that outer agents leave, of all engines: one of them may have started aq.
    pub(crate) of_engines: &'a [OsString],
}

/// Puts the environment together: the user's without what is hidden or `taken_out`, what keeps
/// programs from waiting for a person, then what the engine sets, then the job's `env`, then who
/// the job is.
///
/// # Errors
/// The `env` of the job or its engine refers to a variable that there is not.
pub(crate) fn agent_env(
    user: &ProcessEnvironment,
    taken_out: TakenOut<'_>,
    engine: &[(OsString, OsString)],
    job: &BTreeMap<String, String>,
    identity: AgentIdentity<'_>,
) -> Result<Vec<(OsString, OsString)>, MissingVariable> {
    let denied = |name: &OsString| {
        is_hidden(name.as_bytes())
            || taken_out.of_engines.contains(name)
            || taken_out.deny.iter().any(|d| wildcard(d.as_bytes(), name.as_bytes()))
    };
    let mut env: BTreeMap<OsString, OsString> = user
        .iter()
        .filter(|(name, _)| !denied(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    env.extend(UNATTENDED.map(|(name, value)| (name.into(), value.into())));
    // `${NAME}` sees what the agent may see and no more: job files come from trackers, too.
    let visible = env.clone();
    for (key, value) in engine {
        let value = match (key.to_str(), value.to_str()) {
            (Some(key), Some(text)) => value_of(key, text, &visible)?,
            _ => value.clone(),
        };
        env.insert(key.clone(), value);
    }
    for (key, value) in job {
        env.insert(key.into(), value_of(key, value, &visible)?);
    }
    env.insert("AQ_JOB_ID".into(), identity.id.as_str().into());
    env.insert("AQ_ATTEMPT".into(), identity.attempt.to_string().into());
    env.insert("AQ_QUEUE".into(), identity.queue.into());
    env.insert("TMPDIR".into(), identity.scratch.into());
    Ok(env.into_iter().collect())
}

/// Tests for a variable of the user's that no agent gets with these settings.
pub(crate) fn is_taken_out(settings: &QueueSettings, name: &str) -> bool {
    let deny = &settings.config.env_deny;
    is_hidden(name.as_bytes())
        || settings.engines.child_env().iter().any(|known| known == name)
        || deny.iter().any(|pattern| wildcard(pattern.as_bytes(), name.as_bytes()))
}

/// Tests for a name that the pattern gives when `*` means some letters. Linear in both.
fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|&b| b == b'*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let mut last: Option<&[u8]> = None;
    for part in parts {
        if let Some(middle) = last.replace(part) {
            match rest.windows(middle.len().max(1)).position(|w| w == middle) {
                Some(at) => rest = &rest[at + middle.len()..],
                None if middle.is_empty() => {}
                None => return false,
            }
        }
    }
    match last {
        Some(end) => rest.ends_with(end),
        None => rest.is_empty(),
    }
}

/// A value of the `env` of a job or its engine: itself, or the variable that it means.
fn value_of(
    key: &str,
    value: &str,
    visible: &BTreeMap<OsString, OsString>,
) -> Result<OsString, MissingVariable> {
    let Some(name) = env_reference(value) else { return Ok(value.into()) };
    let found = visible.get(OsStr::new(name)).cloned();
    found.ok_or_else(|| MissingVariable { key: key.to_owned(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env_of(
        user: &[(&str, &str)],
        deny: &[&str],
        job: &[(&str, &str)],
    ) -> Result<BTreeMap<String, String>, MissingVariable> {
        let user = ProcessEnvironment::new(user.iter().map(|&(k, v)| (k.into(), v.into())));
        let deny: Vec<String> = deny.iter().map(ToString::to_string).collect();
        let job = job.iter().map(|&(k, v)| (k.to_owned(), v.to_owned())).collect();
        let id = JobId::new("job").unwrap();
        let identity = AgentIdentity {
            id: &id,
            attempt: 2,
            queue: Path::new("/q"),
            scratch: Path::new("/q/tmp"),
        };
        let of_engines = ["OUTER".into()];
        let taken_out = TakenOut { deny: &deny, of_engines: &of_engines };
        let env = agent_env(&user, taken_out, &[], &job, identity)?;
        Ok(env
            .into_iter()
            .map(|(k, v)| (k.into_string().unwrap(), v.into_string().unwrap()))
            .collect())
    }

    #[test]
    fn an_engines_env_can_refer_to_the_users() {
        let user = [("WORK_KEY", "secret"), ("AQ_FLEET_TOKEN", "s")];
        let user = ProcessEnvironment::new(user.map(|(k, v)| (k.into(), v.into())));
        let id = JobId::new("job").unwrap();
        let path = Path::new("/q");
        let identity = AgentIdentity { id: &id, attempt: 1, queue: path, scratch: path };
        let env = |value: &str| {
            let engine = [("KEY".into(), value.into())];
            let env = agent_env(&user, TakenOut::default(), &engine, &BTreeMap::new(), identity)?;
            Ok(env.into_iter().find(|(name, _)| name == "KEY").unwrap().1)
        };
        assert_eq!(env("${WORK_KEY}"), Ok("secret".into()));
        assert_eq!(env("a ${WORK_KEY}"), Ok("a ${WORK_KEY}".into()));
        for hidden in ["${AQ_FLEET_TOKEN}", "${NOBODY}"] {
            let error: MissingVariable = env(hidden).unwrap_err();
            assert!(error.to_string().contains("of the job or its engine"), "{error}");
        }
    }

    #[test]
    fn hidden_and_denied_names_are_kept_from_agents() {
        let user = [
            ("AQ_FLEET_TOKEN", "s"),
            ("AQ_TRACKER_TOKEN_FILE", "s"),
            ("AWS_KEY", "s"),
            ("GIT_DIR", "s"),
            ("GIT_CONFIG_VALUE_0", "s"),
            ("OUTER", "s"),
            ("HOME", "/h"),
            ("MY_TOKEN", "mine"),
        ];
        let mut env = env_of(&user, &["AWS_*"], &[]).unwrap();
        env.retain(|name, _| UNATTENDED.iter().all(|(quiet, _)| quiet != name));
        let names: Vec<_> = env.keys().map(String::as_str).collect();
        assert_eq!(names, ["AQ_ATTEMPT", "AQ_JOB_ID", "AQ_QUEUE", "HOME", "MY_TOKEN", "TMPDIR"]);
    }

    #[test]
    fn only_job_can_bring_editor() {
        let user = [("GIT_EDITOR", "vi"), ("EDITOR", "vi"), ("GIT_TERMINAL_PROMPT", "1")];
        let env = env_of(&user, &["GIT_*"], &[("EDITOR", "ed"), ("A", "${VISUAL}")]).unwrap();
        let found = ["GIT_EDITOR", "EDITOR", "GIT_TERMINAL_PROMPT", "A"].map(|name| &env[name]);
        assert_eq!(found, ["true", "ed", "0", "true"]);
    }

    #[test]
    fn job_env_hides_agent_secrets() {
        let user = [("NAME", "x"), ("AQ_FLEET_TOKEN", "secret")];
        assert_eq!(env_of(&user, &[], &[("A", "${NAME}")]).unwrap()["A"], "x");
        let error = env_of(&user, &[], &[("A", "${AQ_FLEET_TOKEN}")]).unwrap_err();
        assert_eq!(error.name, "AQ_FLEET_TOKEN");
    }

    #[test]
    fn only_a_whole_value_stands_for_a_variable() {
        for text in ["<${NAME}>", "${NAME", "$NAME", "${NAME}${NAME}", "${}"] {
            assert_eq!(env_of(&[("NAME", "x")], &[], &[("A", text)]).unwrap()["A"], text);
        }
    }

    #[test]
    fn job_cannot_pose_as_another() {
        let env = env_of(&[], &[], &[("AQ_JOB_ID", "other")]).unwrap();
        assert_eq!(env["AQ_JOB_ID"], "job");
    }

    #[test]
    fn stars_stand_for_any_letters() {
        for (pattern, name, matches) in [
            ("AWS_*", "AWS_KEY", true),
            ("AWS_*", "MY_AWS_KEY", false),
            ("*SECRET*", "MY_SECRET_KEY", true),
            ("*_KEY", "A_KEY", true),
            ("*_KEY", "A_KEYS", false),
            ("A*B*C", "AxxBC", true),
            ("A*B*C", "AC", false),
            ("PLAIN", "PLAIN", true),
            ("PLAIN", "PLAINER", false),
            ("*", "", true),
        ] {
            assert_eq!(wildcard(pattern.as_bytes(), name.as_bytes()), matches, "{pattern} {name}");
        }
    }
}
