//! The numbers that both sides hold each other to.

use std::time::Duration;

/// This protocol. A client sends it in [`PROTOCOL_HEADER`] with every call, and a coordinator
/// answers a registration with its own.
pub const PROTOCOL_VERSION: u32 = 1;

/// The oldest protocol that a coordinator answers: one version before its own, or the first. An
/// older client gets 426 with what to do.
pub const OLDEST_PROTOCOL: u32 = if PROTOCOL_VERSION > 1 { PROTOCOL_VERSION - 1 } else { 1 };

/// The request header with the client's protocol version, a decimal number. A call without it is
/// taken for a current one: a person with `curl` need not know it.
pub const PROTOCOL_HEADER: &str = "aq-protocol";

/// The largest body of a request, in bytes; a larger one is 413.
pub const MAX_BODY_BYTES: usize = 2 << 20;

/// A manifest of this many bytes or more is refused, in a fleet as on a host.
pub const MAX_MANIFEST_BYTES: usize = aq_manifest::MAX_FILE_BYTES;

/// The most leases that a heartbeat can renew.
pub const MAX_LEASES: usize = 10_000;

/// The most ends that a registration can say.
pub const MAX_ENDED: usize = 1_000;

/// The most events in one call.
pub const MAX_EVENTS: usize = 1_000;

/// The longest time that a claim may ask to be held back, in milliseconds.
pub const MAX_WAIT_MS: u64 = 30_000;

/// Time limit of a call, when nothing else is said. A claim adds its `waitMs`.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Items of a page, when nothing else is asked for.
pub const DEFAULT_PAGE: u32 = 100;

/// The most items of a page; who asks for more gets this many.
pub const MAX_PAGE: u32 = 1_000;
