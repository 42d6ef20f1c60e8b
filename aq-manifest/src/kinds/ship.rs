//! `ship: accept|merge|pr`.

use serde_json::{Value as Json, json};

use super::{Choice, Kind};
use crate::ShipMode;
use crate::reader::Reader;
use crate::yaml::Node;

/// Ways that this version does not go yet.
const NOT_YET: [ShipMode; 1] = [ShipMode::Merge];

/// The way in which a job is shipped.
pub(crate) struct ShipRule;

impl Kind for ShipRule {
    type Value = ShipMode;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<ShipMode> {
        let mode = Choice::<ShipMode>::read(node, reader)?;
        if NOT_YET.contains(&mode) {
            let help = "write `accept` or `pr`: this version of aq ships in no other way by itself";
            reader.error(node, "is a way to ship that aq does not know yet", Some(help.into()));
            return None;
        }
        Some(mode)
    }

    fn schema() -> Json {
        let known = ShipMode::ALL.iter().filter(|mode| !NOT_YET.contains(mode));
        json!({"enum": known.map(|mode| mode.as_str()).collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use crate::{ShipMode, parse};

    #[test]
    fn unknown_ways_are_refused() {
        let read = |way: &str| parse(&format!("---\nship: {way}\n---\nx\n")).manifest.ship;
        assert_eq!(read("accept"), Some(ShipMode::Accept));
        assert_eq!(read("pr"), Some(ShipMode::Pr));
        assert_eq!(["merge", "push"].map(read), [None; 2]);
    }
}
