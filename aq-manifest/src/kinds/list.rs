//! Lists of one kind of value.

use std::marker::PhantomData;

use serde_json::{Value as Json, json};

use super::Kind;
use crate::reader::Reader;
use crate::yaml::{Node, Value};

/// A list of at most `MOST` items.
pub(crate) struct List<K, const MOST: usize>(PhantomData<K>);

/// A list of at most `MOST` items, or one item.
pub(crate) struct OneOrMore<K, const MOST: usize>(PhantomData<K>);

impl<K: Kind, const MOST: usize> Kind for List<K, MOST> {
    type Value = Vec<K::Value>;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Vec<K::Value>> {
        let Value::List(items) = &node.value else {
            let help = format!("write `{}: [...]`, also for one", reader.key());
            reader.wrong_type(node, "a list", Some(help));
            return None;
        };
        if items.len() > MOST {
            reader.error(node, &format!("has {} items, at most {MOST}", items.len()), None);
            return None;
        }
        // No early end: each wrong item is to be told.
        let read: Vec<Option<K::Value>> = items.iter().map(|item| K::read(item, reader)).collect();
        read.into_iter().collect()
    }

    fn schema() -> Json {
        json!({"type": "array", "items": K::schema(), "maxItems": MOST})
    }
}

impl<K: Kind, const MOST: usize> Kind for OneOrMore<K, MOST> {
    type Value = Vec<K::Value>;

    fn read(node: &Node<'_>, reader: &mut Reader<'_>) -> Option<Vec<K::Value>> {
        match &node.value {
            Value::List(_) => List::<K, MOST>::read(node, reader),
            Value::Scalar(_) | Value::Map(_) => K::read(node, reader).map(|item| vec![item]),
        }
    }

    fn schema() -> Json {
        json!({"oneOf": [K::schema(), List::<K, MOST>::schema()]})
    }
}
