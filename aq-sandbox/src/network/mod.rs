//! The network of a strict box: a proxy outside of it that decides by name.

mod hosts;
#[cfg(target_os = "linux")]
mod http;
#[cfg(target_os = "linux")]
mod proxy;

pub use hosts::{HostList, HostListError};
#[cfg(target_os = "linux")]
pub(crate) use proxy::{ProxyEvent, ServedSocket};
