//! `budget: {usd, tokens, turns}`.

use serde_json::{Value as Json, json};

use super::{Kind, Whole};
use crate::Budget;
use crate::reader::Reader;
use crate::yaml::Node;

/// The most that a job may use.
pub(crate) struct Limits;

impl Kind for Limits {
    type Value = Budget;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Budget> {
        let help = "write `budget: {usd: 2.5, tokens: 500000, turns: 40}`, any of the three";
        let [usd, tokens, turns] = reader.fields(node, ["usd", "tokens", "turns"], help)?;
        let usd = usd.map_or(Some(None), |node| {
            let usd = reader.number(node)?;
            if usd < 0.0 {
                reader.error(node, "is negative", Some("write 0 or more".into()));
            }
            (usd >= 0.0).then_some(Some(usd))
        });
        let tokens = tokens.map_or(Some(None), |node| Whole::read(node, reader).map(Some));
        let turns = turns.map_or(Some(None), |node| Whole::read(node, reader).map(Some));
        Some(Budget { usd: usd?, tokens: tokens?, turns: turns? })
    }

    fn schema() -> Json {
        let about = |text, schema: Json| {
            let mut schema = schema;
            schema["description"] = Json::from(text);
            schema
        };
        json!({
            "type": "object",
            "properties": {
                "usd": {"type": "number", "minimum": 0, "description": "US dollars."},
                "tokens": about(
                    "Input and output tokens together, cached ones not counted.", Whole::schema()
                ),
                "turns": about("Turns of the model.", Whole::schema())
            }
        })
    }
}
