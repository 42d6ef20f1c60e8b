//! The three switches of docs/fleet.md, each of its own: `AQ_FLEET`, `AQ_FLEET_ROUTE`,
//! `AQ_FLEET_SHADOW`.
//!
//! | `AQ_FLEET` | `AQ_FLEET_ROUTE` | `AQ_FLEET_SHADOW` | |
//! | --- | --- | --- | --- |
//! | 0 or unset | not looked at | not looked at | [`FleetMode::Offline`] |
//! | 1 | 0 | 0 or unset | [`FleetMode::Report`] |
//! | 1 | 0 | 1 | [`FleetMode::Shadow`] |
//! | 1 | 1 or unset | 0 or unset | [`FleetMode::Route`] |
//! | 1 | 1 or unset | 1 | [`FleetMode::Route`], with a warning |
//!
//! A variable that is set to nothing is unset. Any other value than `0` or `1` is an error, but not
//! while the fleet is off: offline, nothing of the fleet shows.

use std::fmt;

/// The variable that turns the fleet on.
pub const FLEET: &str = "AQ_FLEET";
/// The variable that says who decides what this host takes.
pub const ROUTE: &str = "AQ_FLEET_ROUTE";
/// The variable that asks the coordinator as well, without acting on it.
pub const SHADOW: &str = "AQ_FLEET_SHADOW";

/// The mode that the switches give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FleetMode {
    /// No network call at all.
    Offline,
    /// Register, heartbeat and report; the local inbox decides.
    Report,
    /// As `Report`; and ask the coordinator after each decision, and record whether it agrees.
    Shadow,
    /// The coordinator decides what this host takes.
    Route,
}

/// The switches, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSwitches {
    mode: FleetMode,
    shadow_ignored: bool,
    warned: bool,
}

/// A switch has a value that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is 0 or 1, not {value:?}")]
pub struct SwitchError {
    /// The variable.
    pub variable: &'static str,
    /// The beginning of what it is set to.
    pub value: String,
}

impl FleetSwitches {
    /// Reads the switches; `lookup` gives the value of a variable.
    ///
    /// # Errors
    /// When a switch that counts is neither `0` nor `1`.
    pub fn resolve(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SwitchError> {
        let is_on = |variable: &'static str, default: bool| match lookup(variable).as_deref() {
            None | Some("") => Ok(default),
            Some("0") => Ok(false),
            Some("1") => Ok(true),
            Some(other) => Err(SwitchError { variable, value: other.chars().take(40).collect() }),
        };
        let with = |mode, shadow_ignored| Self { mode, shadow_ignored, warned: false };
        if !is_on(FLEET, false)? {
            return Ok(with(FleetMode::Offline, false));
        }
        let (route, shadow) = (is_on(ROUTE, true)?, is_on(SHADOW, false)?);
        Ok(match (route, shadow) {
            (true, shadow) => with(FleetMode::Route, shadow),
            (false, true) => with(FleetMode::Shadow, false),
            (false, false) => with(FleetMode::Report, false),
        })
    }

    /// Returns the mode that they give.
    pub fn mode(&self) -> FleetMode {
        self.mode
    }

    /// Tests for a mode with a coordinator to talk to.
    pub fn is_online(&self) -> bool {
        self.mode != FleetMode::Offline
    }

    /// Takes the warning, the first time that it is asked for: one warning a run.
    pub fn take_warning(&mut self) -> Option<&'static str> {
        let due = self.shadow_ignored && !std::mem::replace(&mut self.warned, true);
        due.then_some(
            "AQ_FLEET_SHADOW=1 has no effect while AQ_FLEET_ROUTE is 1: the coordinator decides. \
             Set AQ_FLEET_ROUTE=0 to compare without acting on it",
        )
    }
}

impl fmt::Display for FleetSwitches {
    /// As `status` and `fleet-status` show them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.mode, self.shadow_ignored) {
            (FleetMode::Offline, _) => "off",
            (FleetMode::Report, _) => "on, route=0 shadow=0: the local inbox decides",
            (FleetMode::Shadow, _) => {
                "on, route=0 shadow=1: the local inbox decides, the coordinator is compared"
            }
            (FleetMode::Route, false) => "on, route=1 shadow=0: the coordinator decides",
            (FleetMode::Route, true) => {
                "on, route=1 shadow=1 (ignored with route=1): the coordinator decides"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(fleet: &str, route: &str, shadow: &str) -> Result<FleetSwitches, SwitchError> {
        FleetSwitches::resolve(|name| {
            let value = match name {
                FLEET => fleet,
                ROUTE => route,
                SHADOW => shadow,
                other => panic!("{other} is no switch"),
            };
            (value != "unset").then(|| value.to_owned())
        })
    }

    #[test]
    fn every_combination_comes_to_what_the_table_says() {
        for off in ["unset", "", "0"] {
            for route in ["unset", "", "0", "1", "nonsense"] {
                for shadow in ["unset", "0", "1", "nonsense"] {
                    let mut got = resolve(off, route, shadow).unwrap();
                    assert_eq!(got.mode(), FleetMode::Offline);
                    assert_eq!((got.is_online(), got.take_warning()), (false, None));
                    assert_eq!(got.to_string(), "off");
                }
            }
        }
        for unset in ["unset", ""] {
            for (route, shadow, mode, shown) in [
                (unset, unset, FleetMode::Route, "on, route=1 shadow=0: the coordinator decides"),
                ("1", "0", FleetMode::Route, "on, route=1 shadow=0: the coordinator decides"),
                ("0", unset, FleetMode::Report, "on, route=0 shadow=0: the local inbox decides"),
                ("0", "0", FleetMode::Report, "on, route=0 shadow=0: the local inbox decides"),
                (
                    "0",
                    "1",
                    FleetMode::Shadow,
                    "on, route=0 shadow=1: the local inbox decides, the coordinator is compared",
                ),
            ] {
                let mut got = resolve("1", route, shadow).unwrap();
                assert_eq!((got.mode(), got.take_warning()), (mode, None), "{route} {shadow}");
                assert!(got.is_online());
                assert_eq!(got.to_string(), shown);
            }
        }
    }

    #[test]
    fn route_wins_over_shadow_with_one_warning() {
        for route in ["unset", "1"] {
            let mut got = resolve("1", route, "1").unwrap();
            assert_eq!(got.mode(), FleetMode::Route);
            assert!(got.to_string().contains("ignored"), "{got}");
            assert!(got.take_warning().unwrap().contains("AQ_FLEET_ROUTE=0"));
            assert_eq!(got.take_warning(), None);
        }
    }

    #[test]
    fn other_values_are_errors_that_name_the_variable() {
        for (fleet, route, shadow, variable) in [
            ("yes", "0", "0", FLEET),
            ("1", "true", "0", ROUTE),
            ("1", "0", "01", SHADOW),
            ("1", "1", " 1", SHADOW),
        ] {
            assert_eq!(resolve(fleet, route, shadow).unwrap_err().variable, variable);
        }
        let error = resolve("yes\n", "0", "0").unwrap_err();
        assert_eq!(error.to_string(), "AQ_FLEET is 0 or 1, not \"yes\\n\"");
    }
}
