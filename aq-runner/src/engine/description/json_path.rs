//! Places in a JSON document.

use serde::Deserialize;
use serde_json::Value;

/// Place of values in a JSON document: keys and indices between dots, `*` for every member of an
/// object or element of an array. `error.data.0.message`, `stats.models.*.tokens.input`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::engine) struct JsonPath(Vec<PathPart>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PathPart {
    Name(String),
    Every,
}

/// Text that is no place.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no path in a JSON document; a path is keys between dots, as `error.message`")]
pub(in crate::engine) struct BadPath(String);

impl TryFrom<String> for JsonPath {
    type Error = BadPath;

    fn try_from(text: String) -> Result<Self, BadPath> {
        let parts: Vec<PathPart> = text
            .split('.')
            .map(|part| match part {
                "*" => PathPart::Every,
                name => PathPart::Name(name.to_owned()),
            })
            .collect();
        let is_blank = |part: &PathPart| matches!(part, PathPart::Name(name) if name.is_empty());
        match parts.iter().any(is_blank) {
            true => Err(BadPath(text)),
            false => Ok(Self(parts)),
        }
    }
}

impl JsonPath {
    /// Every value at this place that is not null, in the document's order.
    pub(in crate::engine) fn all<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        let mut found = vec![document];
        for part in &self.0 {
            found = match part {
                PathPart::Name(name) => {
                    found.into_iter().filter_map(|value| member(value, name)).collect()
                }
                PathPart::Every => found.into_iter().flat_map(members).collect(),
            };
        }
        found.retain(|value| !value.is_null());
        found
    }

    /// The first value at this place, or null.
    pub(in crate::engine) fn first<'v>(&self, document: &'v Value) -> &'v Value {
        self.all(document).first().copied().unwrap_or(&Value::Null)
    }
}

fn member<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    match value {
        Value::Array(elements) => elements.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    }
}

fn members(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(elements) => elements.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

/// Places that are tried in turn: the first with a value counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct JsonPaths(Vec<JsonPath>);

impl<'de> Deserialize<'de> for JsonPaths {
    fn deserialize<D: serde::Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        super::one_or_many(source).map(Self)
    }
}

impl JsonPaths {
    /// The values at the first of the places that has any.
    pub(in crate::engine) fn all<'v>(&self, document: &'v Value) -> Vec<&'v Value> {
        let found = self.0.iter().map(|path| path.all(document));
        found.into_iter().find(|values| !values.is_empty()).unwrap_or_default()
    }

    /// The first value at any of the places, or null.
    pub(in crate::engine) fn first<'v>(&self, document: &'v Value) -> &'v Value {
        self.all(document).first().copied().unwrap_or(&Value::Null)
    }

    /// The strings at the first of the places that has any, put together.
    pub(in crate::engine) fn text(&self, document: &Value) -> Option<String> {
        let texts = |path: &JsonPath| {
            let found = path.all(document);
            let texts: Vec<&str> = found.into_iter().filter_map(Value::as_str).collect();
            (!texts.is_empty()).then(|| texts.concat())
        };
        self.0.iter().find_map(texts)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn path(text: &str) -> JsonPath {
        JsonPath::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn keys_indices_and_stars() {
        let document = json!({"a": {"0": 7, "b": [null, {"c": "x"}, {"c": "y"}]}, "n": null});
        let all = |text: &str| path(text).all(&document).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(all("a.b.1.c"), [json!("x")]);
        assert_eq!(all("a.b.*.c"), [json!("x"), json!("y")]);
        assert_eq!(all("a.0"), [json!(7)]);
        assert_eq!(path("a.b.0").first(&document), &Value::Null);
        for nothing in ["n", "a.x.y", "a.b.9", "a.b.c", "a.0.*"] {
            assert!(all(nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn first_place_with_a_value() {
        let paths: JsonPaths = serde_json::from_value(json!(["a.none", "b.*.t", "c"])).unwrap();
        let document = json!({"b": [{"t": "one "}, {"n": 1}, {"t": "two"}], "c": "three"});
        assert_eq!(paths.text(&document).as_deref(), Some("one two"));
        assert_eq!(paths.first(&json!({"c": 1})), &json!(1));
    }

    #[test]
    fn a_blank_part_is_refused() {
        for bad in ["", ".", "a..b", "a."] {
            let error = serde_json::from_value::<JsonPaths>(json!(bad)).unwrap_err();
            assert!(error.to_string().contains("is no path in a JSON document"), "{error}");
        }
    }
}
