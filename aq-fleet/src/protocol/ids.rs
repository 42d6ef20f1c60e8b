//! Names of hosts and jobs: newtypes that cannot hold a bad one.

use std::fmt;
use std::str::FromStr;

use aq_manifest::{JobId, JobIdError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::text;

/// The ending of a host's id that names its shadow (docs/fleet.md).
const SHADOW_SUFFIX: &str = "-shadow";

/// A newtype over text in the alphabet of job ids, `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`: it goes into
/// paths of URLs, logs and tables as it is.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        pub struct $name(JobId);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl FromStr for $name {
            type Err = JobIdError;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                JobId::new(name).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                text::serialize(self, to)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                text::deserialize(from)
            }
        }
    };
}

name! {
    /// A factory: a host's run loop. One that ends in `-shadow` is the shadow of the one before it.
    FactoryId
}

name! {
    /// One life of a host's loop. A new one means that it restarted.
    InstanceId
}

name! {
    /// A coordinator's database.
    DatabaseId
}

name! {
    /// One claim, however often it is sent.
    RequestId
}

/// A factory id is too long for its shadow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("factory id {0} is too long for a shadow: use at most 121 characters in AQ_FACTORY_ID")]
pub struct ShadowIdError(FactoryId);

impl FactoryId {
    /// The id under which this factory asks in shadow: `<id>-shadow`.
    ///
    /// # Errors
    /// When that is longer than an id can be.
    pub fn shadow(&self) -> Result<Self, ShadowIdError> {
        let name = format!("{self}{SHADOW_SUFFIX}");
        name.parse().map_err(|_| ShadowIdError(self.clone()))
    }

    /// Tests for the ending `-shadow`: its claims see shadow jobs, and are never granted anything.
    pub fn is_shadow(&self) -> bool {
        self.owner().is_some()
    }

    /// The factory whose shadow this is.
    pub fn owner(&self) -> Option<Self> {
        self.as_str().strip_suffix(SHADOW_SUFFIX)?.parse().ok()
    }
}

impl InstanceId {
    /// A new one, from the operating system's randomness.
    pub fn random() -> Self {
        Self(random())
    }
}

impl RequestId {
    /// A new one, from the operating system's randomness.
    pub fn random() -> Self {
        Self(random())
    }
}

fn random() -> JobId {
    JobId::new(&Uuid::new_v4().to_string())
        .expect("hexadecimal digits and hyphens are in the alphabet")
}

/// A job in the fleet: a UUID, in its form of 36 lower-case characters. Not the id of a job on a
/// host, which is a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(value_type = String))]
pub struct FleetJobId(Uuid);

/// The text is no id of a fleet job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no fleet job id, which is a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct FleetJobIdError(String);

impl FleetJobId {
    /// The UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for FleetJobId {
    fn from(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for FleetJobId {
    type Err = FleetJobIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The other forms of a UUID would give one job several names.
        let canonical = |uuid: &Uuid| uuid.hyphenated().to_string() == text;
        let shown = || text.chars().take(64).collect();
        Uuid::try_parse(text)
            .ok()
            .filter(canonical)
            .map(Self)
            .ok_or_else(|| FleetJobIdError(shown()))
    }
}

impl fmt::Display for FleetJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for FleetJobId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        text::serialize(self, to)
    }
}

impl<'de> Deserialize<'de> for FleetJobId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::deserialize(from)
    }
}

/// Which grant of a job: it only grows, and a write with an older one is refused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The answer of a dry run: no lease has it.
    pub const DRY: Self = Self(0);

    /// Tests for the answer of a dry run.
    pub const fn is_dry(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Epoch {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}
