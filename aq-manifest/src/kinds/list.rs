//! Lists of one kind of value.

use std::marker::PhantomData;

use serde_json::{Value as Json, json};

use super::ValueKind;
use crate::reader::ValueReader;
use crate::yaml::{YamlNode, YamlValue};

/// A list of at most `MOST` items.
pub(crate) struct ListOf<K, const MOST: usize>(PhantomData<K>);

/// A list of at most `MOST` items, or one item.
pub(crate) struct OneOrMore<K, const MOST: usize>(PhantomData<K>);

impl<K: ValueKind, const MOST: usize> ValueKind for ListOf<K, MOST> {
    type Value = Vec<K::Value>;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<Vec<K::Value>> {
        let YamlValue::List(items) = &node.value else {
            let help = format!("write `{}: [...]`, also for one", reader.key());
            reader.wrong_type(node, "a list", Some(help));
            return None;
        };
        if items.len() > MOST {
            reader.error(node, &format!("has {} items, at most {MOST}", items.len()), None);
            return None;
        }
        // No early end: each wrong item is to be reported.
        let read: Vec<Option<K::Value>> = items.iter().map(|item| K::read(item, reader)).collect();
        read.into_iter().collect()
    }

    fn schema() -> Json {
        json!({"type": "array", "items": K::schema(), "maxItems": MOST})
    }
}

impl<K: ValueKind, const MOST: usize> ValueKind for OneOrMore<K, MOST> {
    type Value = Vec<K::Value>;

    fn read(node: &YamlNode<'_>, reader: &mut ValueReader<'_>) -> Option<Vec<K::Value>> {
        match &node.value {
            YamlValue::List(_) => ListOf::<K, MOST>::read(node, reader),
            YamlValue::Scalar(_) | YamlValue::Map(_) => {
                K::read(node, reader).map(|item| vec![item])
            }
        }
    }

    fn schema() -> Json {
        json!({"oneOf": [K::schema(), ListOf::<K, MOST>::schema()]})
    }
}
