//! What the shadow has found so far (docs/fleet.md).

pub use aq_fleet::agreement::{
    AgreementBar, AgreementReport, BarError, ReadinessGap, ShadowDivergence,
};
pub use aq_fleet::shadow::ShadowVerdict;

use crate::store::{QueueDir, Result, StoreError};
use crate::sync::fleet::{read_shadow_log, shadow_log};

/// Counts and judges a queue's shadow log. `None` when there is none: nothing was ever compared
/// here.
///
/// # Errors
/// When the log is there and cannot be read.
pub fn shadow_report(queue: &QueueDir, bar: AgreementBar) -> Result<Option<AgreementReport>> {
    let path = shadow_log(&queue.state());
    match read_shadow_log(&path) {
        Ok(log) => Ok(log.map(|log| AgreementReport::of(&log, bar))),
        Err(source) => Err(StoreError::Io { action: "read", path, source }),
    }
}
