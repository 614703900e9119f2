//! Events that nobody handles, each named in the log once: often a name that is spelt in two ways.

use crate::types::{EventName, Namespace};
use parking_lot::Mutex;
use std::collections::BTreeSet;

/// Names that the log is told: a client can make up as many as it likes.
const NAMES_MAX: usize = 100;

/// The names that the log was told.
#[derive(Debug, Default)]
pub(super) struct UnhandledEvents {
    told: Mutex<BTreeSet<Box<str>>>,
}

impl UnhandledEvents {
    /// A client has sent an event that nobody handles.
    pub(super) fn note(&self, namespace: &Namespace, name: &str) {
        if self.is_news(name) {
            tracing::info!(
                event = name, %namespace,
                "a client sent `{name}`, which nobody handles: `events.allow` does not name it; further ones are only \
                 counted in userline_client_events_refused_total"
            );
        }
    }

    /// Whether the log is to be told of `name`: the first time, if it is a name that an event can have.
    fn is_news(&self, name: &str) -> bool {
        let mut told = self.told.lock();
        told.len() < NAMES_MAX
            && !told.contains(name)
            && EventName::parse(name).is_ok()
            && told.insert(name.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES_MAX, UnhandledEvents};

    #[test]
    fn each_name_is_news_once_and_only_so_many_are() {
        let unhandled = UnhandledEvents::default();
        assert!(unhandled.is_news("chat:send"));
        assert!(!unhandled.is_news("chat:send"));
        for name in ["userline:x", "line\nbreak", &"x".repeat(129)] {
            assert!(!unhandled.is_news(name), "{name}");
        }
        let news = (0..2 * NAMES_MAX).filter(|n| unhandled.is_news(&n.to_string())).count();
        assert_eq!(news, NAMES_MAX - 1);
    }
}
