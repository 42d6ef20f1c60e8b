//! Is a host ready to let the coordinator decide? (docs/fleet.md)
//!
//! [`AgreementReport::of`] counts what a shadow log says and judges it. It advises; nothing
//! switches by itself.

mod count;
mod gap;
mod wilson;

#[cfg(test)]
mod tests;

pub use count::{AgreementBar, AgreementReport, BarError, ShadowDivergence, VERSION};
pub use gap::ReadinessGap;
pub use wilson::{RateInterval, wilson};
