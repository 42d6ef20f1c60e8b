#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

mod denials;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod enter;
#[cfg(target_os = "linux")]
mod launch;
#[cfg(target_os = "linux")]
mod layers;
#[cfg(target_os = "linux")]
mod link;
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing is decided where there are no boxes")
)]
mod network;
#[cfg(target_os = "linux")]
mod os;
#[cfg(target_os = "linux")]
mod plan;
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "nothing is decided where there are no boxes")
)]
mod policy;
mod probe;
mod spec;

pub use denials::{Denial, DenialKind, DenialLog};
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{BoxAttendant, BoxLaunch, NO_BOX, end_by, enter_if_asked, try_kernel};
#[cfg(target_os = "linux")]
pub use enter::{NO_BOX, enter_if_asked};
#[cfg(target_os = "linux")]
pub use launch::{BoxAttendant, BoxLaunch, try_kernel};
pub use network::{HostList, HostListError};
#[cfg(target_os = "linux")]
pub use os::end_by;
pub use policy::{
    PathAccess, PathPolicy, PathReach, PathRule, PolicyError, SECRET_PLACES, looks_secret,
    secret_places,
};
pub use probe::{BoxItem, BoxLevel, ItemState, KernelFeatures, UnknownLevel, items};
pub use spec::{BoxReport, BoxSpec, LaunchError};
