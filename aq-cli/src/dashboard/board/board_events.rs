//! The events that boards are sent, made once for all who have the same filter.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::filter::BoardFilter;
use super::told;
use crate::dashboard::feed::Look;

/// Of one look at the queue, by filter.
#[derive(Debug, Default)]
pub(in crate::dashboard) struct BoardEvents(Mutex<EventsOfLook>);

#[derive(Debug, Default)]
struct EventsOfLook {
    /// Not kept alive by this: nobody may look at the next.
    look: Weak<Look>,
    by_filter: HashMap<Arc<str>, Arc<OnceLock<Arc<str>>>>,
}

impl BoardEvents {
    /// The event that sends a look to boards with this filter.
    pub(super) fn of(&self, look: &Arc<Look>, filter: &Arc<str>) -> Arc<str> {
        let board_event = {
            let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !std::ptr::eq(told.look.as_ptr(), Arc::as_ptr(look)) {
                *told = EventsOfLook { look: Arc::downgrade(look), by_filter: HashMap::new() };
            }
            Arc::clone(told.by_filter.entry(Arc::clone(filter)).or_default())
        };
        // Others with the same filter wait for it, those with other ones do not.
        Arc::clone(
            board_event.get_or_init(|| told(look, &BoardFilter::new(filter)).to_string().into()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_serves_all_with_the_same_filter() {
        let board_events = BoardEvents::default();
        let [one, other] = ["bad", "worse"].map(|words| Arc::new(Err(words.to_owned())));
        let of = |look: &Arc<Look>, filter: &str| board_events.of(look, &filter.into());
        let first = of(&one, "");
        assert!(first.contains("bad") && Arc::ptr_eq(&first, &of(&one, "")));
        assert!(!Arc::ptr_eq(&first, &of(&one, "engine:x")));
        assert!(of(&other, "").contains("worse"));
        assert_eq!(of(&one, ""), first);
    }
}
