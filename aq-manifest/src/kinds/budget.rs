//! `budget: {usd, tokens, turns}`.

use serde_json::{Value as Json, json};

use super::{ValueKind, WholeKind};
use crate::JobBudget;
use crate::reader::ValueReader;
use crate::yaml::YamlNode;

/// The most that a job may use.
pub(crate) struct BudgetKind;

impl ValueKind for BudgetKind {
    type Value = JobBudget;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<JobBudget> {
        let help = "write `budget: {usd: 2.5, tokens: 500000, turns: 40}`, any of the three";
        let [usd, tokens, turns] = reader.fields(node, ["usd", "tokens", "turns"], help)?;
        let usd = usd.map_or(Some(None), |node| {
            let usd = reader.number(node)?;
            if usd < 0.0 {
                reader.error(node, "is negative", Some("write 0 or more".into()));
            }
            (usd >= 0.0).then_some(Some(usd))
        });
        let tokens = tokens.map_or(Some(None), |node| WholeKind::read(node, reader).map(Some));
        let turns = turns.map_or(Some(None), |node| WholeKind::read(node, reader).map(Some));
        Some(JobBudget { usd: usd?, tokens: tokens?, turns: turns? })
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
                    "Input and output tokens together, cached ones not counted.",
                    WholeKind::schema()
                ),
                "turns": about("Turns of the model.", WholeKind::schema())
            }
        })
    }
}
