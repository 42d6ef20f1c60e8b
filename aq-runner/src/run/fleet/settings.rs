//! What this host is in a fleet, from the environment (docs/fleet.md) and the queue's config.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aq_fleet::client::{CoordinatorClient, FleetToken, FleetTokenError};
#[cfg(feature = "fleet")]
use aq_fleet::client::{HttpConnection, HttpError, SystemClock};
use aq_fleet::outbox::OutboxError;
use aq_fleet::protocol::{FactoryId, ShadowIdError};
use aq_fleet::switches::{FleetSwitches, SwitchError};
use aq_ledger::{RecordContent, RecordKey};
use aq_manifest::JobIdError;

use super::super::environment::ProcessEnvironment;
use super::super::tokens::{FLEET_TOKEN, TokenFile, TokenFileError};
use crate::store::QueueDir;
use crate::sync::fleet::FleetHolder;

/// Where the coordinator is.
const URL: &str = "AQ_FLEET_URL";
/// The file of the CAs that may sign the coordinator's certificate.
const AUTHORITY: &str = "AQ_FLEET_CA";
/// This host's name in the fleet.
const FACTORY: &str = "AQ_FACTORY_ID";

/// The switches, and where the coordinator is when they are on.
#[derive(Clone, Debug)]
pub struct FleetSettings {
    /// The switches, resolved.
    pub switches: FleetSwitches,
    /// This host's name in the fleet.
    pub factory: FactoryId,
    url: String,
    authority: Option<PathBuf>,
    token: TokenSource,
}

/// Where the token is.
#[derive(Clone, Debug)]
enum TokenSource {
    /// Nowhere.
    Missing,
    /// In the environment that this process has taken.
    Given(FleetToken),
    /// In the file that the environment names. It is read for each client: whoever only looks at
    /// this host needs no token.
    File(TokenFile),
}

/// Why this host cannot take part in a fleet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FleetSettingsError {
    /// A switch has a value that is none.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// Something that has to be set is not.
    #[error("{0} is not set: {1}")]
    Missing(&'static str, &'static str),
    /// The host's name cannot be used.
    #[error(
        "{name:?} cannot be this host's name in the fleet, which is made as a job's id is: \
         {problem}; set {FACTORY}"
    )]
    Factory {
        /// The name.
        name: String,
        /// Why.
        problem: JobIdError,
    },
    /// It is too long for a shadow.
    #[error(transparent)]
    Shadow(#[from] ShadowIdError),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] FleetTokenError),
    /// The file that should hold the token cannot be used.
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    /// The address cannot be used.
    #[cfg(feature = "fleet")]
    #[error(transparent)]
    Url(#[from] HttpError),
    /// A program that was built without the feature `fleet`.
    #[cfg(not(feature = "fleet"))]
    #[error(
        "this program was built without the feature `fleet` and asks no coordinator: build it in, \
         or unset AQ_FLEET"
    )]
    NotBuilt,
    /// What waits for the coordinator cannot be kept.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
}

impl FleetSettingsError {
    /// Its code, one word.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Switch(_) => "switch",
            Self::Missing(..) => "not_set",
            Self::Factory { .. } => "factory_name",
            Self::Shadow(_) => "shadow_name",
            Self::Token(_) => "token",
            Self::TokenFile(_) => "token_file",
            #[cfg(feature = "fleet")]
            Self::Url(_) => "address",
            #[cfg(not(feature = "fleet"))]
            Self::NotBuilt => "not_built",
            Self::Outbox(_) => "outbox",
        }
    }
}

/// A problem of the switches, as a look at the queue keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetProblem {
    /// Its code, one word.
    pub code: &'static str,
    /// Its text, for people.
    pub text: String,
}

impl From<FleetSettingsError> for FleetProblem {
    fn from(error: FleetSettingsError) -> Self {
        Self { code: error.code(), text: error.to_string() }
    }
}

impl fmt::Display for FleetProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FleetSettings {
    /// Reads the switches and, when they are on, the rest. `None` when this host is offline: then
    /// nothing else of the environment is looked at.
    ///
    /// # Errors
    /// Says which variable is wrong or missing.
    pub fn read(environment: &ProcessEnvironment) -> Result<Option<Self>, FleetSettingsError> {
        let switches = FleetSwitches::resolve(|name| text_of(environment, name))?;
        if !switches.is_online() {
            return Ok(None);
        }
        Self::with(switches, environment).map(Some)
    }

    /// Where the coordinator is, whether this host is in the fleet or not: to submit a job, or
    /// look.
    ///
    /// # Errors
    /// Says which variable is wrong or missing.
    pub fn of_coordinator(environment: &ProcessEnvironment) -> Result<Self, FleetSettingsError> {
        Self::with(FleetSwitches::resolve(|name| text_of(environment, name))?, environment)
    }

    fn with(
        switches: FleetSwitches,
        environment: &ProcessEnvironment,
    ) -> Result<Self, FleetSettingsError> {
        let text = |name: &str| text_of(environment, name);
        let url = text(URL).ok_or(FleetSettingsError::Missing(
            URL,
            "give the coordinator's address, such as https://coordinator.example:7332",
        ))?;
        let factory = factory(environment)?;
        let token = match (environment.token_file(FLEET_TOKEN), text(FLEET_TOKEN)) {
            (Some(file), _) => TokenSource::File(file),
            (None, Some(text)) => TokenSource::Given(text.parse()?),
            (None, None) => TokenSource::Missing,
        };
        let authority = environment.get(AUTHORITY).filter(|file| !file.is_empty());
        Ok(Self { switches, factory, url, authority: authority.map(PathBuf::from), token })
    }

    /// A client whose calls take at most `deadline`. Nothing is sent yet.
    ///
    /// # Errors
    /// When there is no token, or the address cannot be used.
    pub fn client(&self, deadline: Duration) -> Result<CoordinatorClient, FleetSettingsError> {
        let token = match &self.token {
            TokenSource::Given(token) => token.clone(),
            TokenSource::File(file) => file.read()?.text.parse()?,
            TokenSource::Missing => {
                let mend = "give the coordinator's token, or its file in AQ_FLEET_TOKEN_FILE";
                return Err(FleetSettingsError::Missing(FLEET_TOKEN, mend));
            }
        };
        client(&self.url, self.authority.as_deref(), token, deadline)
    }

    /// Why others may read the token and the jobs on their way, when they may.
    pub fn address_warning(&self) -> Option<&'static str> {
        address_warning(&self.url)
    }

    /// Why others may know the token, when they may.
    pub(crate) fn token_warning(&self) -> Option<String> {
        match &self.token {
            TokenSource::File(file) => file.read().ok()?.warning,
            TokenSource::Given(_) | TokenSource::Missing => None,
        }
    }

    /// This host under the name by which it was given a job. The coordinator knows the lease by
    /// that name, and a person's shell may have another one, or none.
    pub(crate) fn named_in(mut self, meta: &RecordContent) -> Self {
        if let Some(factory) = meta.parsed(RecordKey::FleetFactory) {
            self.factory = factory;
        }
        self
    }

    /// This host as a holder of jobs of a queue.
    pub(crate) fn holder(
        &self,
        queue: &QueueDir,
        deadline: Duration,
    ) -> Result<FleetHolder, FleetSettingsError> {
        let client = Arc::new(self.client(deadline)?);
        Ok(FleetHolder::open(self.factory.clone(), client, &fleet_dir(queue).join("outbox"))?)
    }
}

#[cfg(feature = "fleet")]
fn client(
    url: &str,
    authority: Option<&Path>,
    token: FleetToken,
    deadline: Duration,
) -> Result<CoordinatorClient, FleetSettingsError> {
    let http = match authority {
        Some(file) => HttpConnection::with_authority(url, file)?,
        None => HttpConnection::new(url)?,
    };
    Ok(CoordinatorClient::new(Arc::new(http), Arc::new(SystemClock), token, deadline))
}

#[cfg(feature = "fleet")]
fn address_warning(url: &str) -> Option<&'static str> {
    HttpConnection::warning(url)
}

#[cfg(not(feature = "fleet"))]
fn address_warning(_: &str) -> Option<&'static str> {
    None
}

#[cfg(not(feature = "fleet"))]
fn client(
    _: &str,
    _: Option<&Path>,
    _: FleetToken,
    _: Duration,
) -> Result<CoordinatorClient, FleetSettingsError> {
    Err(FleetSettingsError::NotBuilt)
}

/// The name under which a worker reports its job: the one that the job was given under, else this
/// host's. `None` where the fleet is off. No token is looked at, since a worker has none.
///
/// # Errors
/// Says which variable is wrong.
pub(crate) fn worker_name(
    environment: &ProcessEnvironment,
    meta: &RecordContent,
) -> Result<Option<FactoryId>, FleetSettingsError> {
    let switches = FleetSwitches::resolve(|name| text_of(environment, name))?;
    if !switches.is_online() {
        return Ok(None);
    }
    meta.parsed(RecordKey::FleetFactory).map_or_else(|| factory(environment), Ok).map(Some)
}

fn factory(environment: &ProcessEnvironment) -> Result<FactoryId, FleetSettingsError> {
    let name = text_of(environment, FACTORY).unwrap_or_else(host_name);
    name.parse().map_err(|problem| FleetSettingsError::Factory { name, problem })
}

/// A variable that is set to something.
fn text_of(environment: &ProcessEnvironment, name: &str) -> Option<String> {
    let value = environment.get(name)?.to_string_lossy().into_owned();
    Some(value).filter(|value| !value.is_empty())
}

/// What this host remembers of the fleet.
pub(crate) fn fleet_dir(queue: &QueueDir) -> PathBuf {
    queue.state().join("fleet")
}

/// The host's own name.
pub(crate) fn host_name() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "localhost".to_owned())
}
