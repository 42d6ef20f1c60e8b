//! The item API: `GET /items/ITEM`, `PATCH /items/ITEM`, `POST /items/ITEM/comments`
//! (docs/trackers.md).

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::{TrackerError, detail};
use crate::item_id::ItemId;
use crate::kind::TrackerKind;
use crate::limit::limit;
use crate::tracker::{RenderedUpdate, Tracker, TrackerItem};
use crate::transport::{TrackerMethod, TrackerRequest, TrackerResponse, TrackerTransport, segment};

const WHO: &str = TrackerKind::Items.name();

/// The variable of its token, for messages.
pub(crate) const TOKEN: &str = "AQ_TRACKER_TOKEN";

/// The item API, whatever carries the requests.
#[derive(Debug)]
pub struct ItemApi<T> {
    transport: T,
}

/// The fields of an item that are read. Everything else that it has does not matter.
#[derive(Debug, Deserialize)]
struct ItemFields {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    priority: Value,
    #[serde(default)]
    labels: Option<Vec<Value>>,
}

impl<T: TrackerTransport> ItemApi<T> {
    /// The API behind a transport.
    pub fn new(transport: T) -> Self {
        Self { transport }
    }

    fn ask(&self, id: &ItemId, request: &TrackerRequest) -> Result<TrackerResponse, TrackerError> {
        let answer = self.transport.send(request)?;
        if answer.is_good() {
            return Ok(answer);
        }
        let status = answer.status;
        let said = message(&answer);
        if let Some(after) = limit(&answer, &said) {
            return Err(TrackerError::Limited { who: WHO, after });
        }
        let (detail, item) = (detail(status, &said), id.to_string());
        Err(match status {
            401 => TrackerError::Denied { who: WHO, variable: TOKEN, detail },
            403 => TrackerError::Forbidden { who: WHO, item, variable: TOKEN, detail },
            404 | 410 => TrackerError::NotFound { who: WHO, item },
            400..=499 if status != 408 => TrackerError::Refused { who: WHO, detail },
            _ => TrackerError::Failed { who: WHO, detail },
        })
    }
}

impl<T: TrackerTransport> Tracker for ItemApi<T> {
    fn item(&self, id: &ItemId) -> Result<TrackerItem, TrackerError> {
        let answer = self.ask(id, &TrackerRequest::get(path(id)))?;
        let mut value = answer.json(WHO)?;
        // Some wrap the item.
        for wrapper in ["item", "data"] {
            if value.get("title").is_none() && value.get(wrapper).is_some_and(Value::is_object) {
                value = value[wrapper].take();
            }
        }
        let read: ItemFields = serde_json::from_value(value).map_err(|_| TrackerError::Failed {
            who: WHO,
            detail: "the answer is no item: expected title, description, priority, labels"
                .to_owned(),
        })?;
        Ok(TrackerItem {
            id: id.clone(),
            title: read.title.unwrap_or_default(),
            description: read.description.unwrap_or_default(),
            priority: word(&read.priority),
            labels: read.labels.unwrap_or_default().iter().filter_map(word).collect(),
        })
    }

    fn echo(
        &self,
        id: &ItemId,
        update: &RenderedUpdate,
        _comment: Option<&str>,
    ) -> Result<Option<String>, TrackerError> {
        let status = json!({ "status": update.status });
        self.ask(id, &TrackerRequest::with(TrackerMethod::Patch, path(id), status))?;
        let comment = json!({ "body": update.comment });
        let path = format!("{}/comments", path(id));
        self.ask(id, &TrackerRequest::with(TrackerMethod::Post, path, comment))?;
        Ok(None)
    }
}

fn path(id: &ItemId) -> String {
    format!("/items/{}", segment(&id.to_string()))
}

/// A label or a priority: a text, a number, or an object with a name.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(fields) => fields.get("name").filter(|name| !name.is_object()).and_then(word),
        _ => None,
    }
}

/// Extracts an answer's own words: `message` or `error` of a document; not a whole page.
pub(crate) fn message(answer: &TrackerResponse) -> String {
    let document: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    let said = ["message", "detail", "error"].into_iter().find_map(|key| document[key].as_str());
    said.unwrap_or_default().to_owned()
}
