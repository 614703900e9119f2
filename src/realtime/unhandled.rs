//! Events that nobody handles, each named once, in the log and on the page of `userline dev`: often a name that is spelt in two
//! ways.

use crate::types::{EventName, Namespace};
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Names that are told: a client can make up as many as it likes.
const NAMES_MAX: usize = 100;

/// The names that were told, with the namespace that each was sent in first.
#[derive(Debug, Default)]
pub struct UnhandledEvents {
    told: Mutex<BTreeMap<Box<str>, Namespace>>,
}

impl UnhandledEvents {
    /// A client has sent an event that nobody handles.
    pub fn note(&self, namespace: &Namespace, name: &str) {
        if self.is_news(namespace, name) {
            tracing::info!(
                event = name, %namespace,
                "a client sent `{name}`, which nobody handles: `events.allow` does not name it; further ones are only \
                 counted in userline_client_events_refused_total"
            );
        }
    }

    /// The names that were told, each with the namespace that it was sent in first.
    pub fn told(&self) -> Vec<(Box<str>, Namespace)> {
        let told = self.told.lock();
        told.iter().map(|(name, namespace)| (name.clone(), namespace.clone())).collect()
    }

    /// Whether `name` is to be told: the first time, if it is a name that an event can have.
    fn is_news(&self, namespace: &Namespace, name: &str) -> bool {
        let mut told = self.told.lock();
        told.len() < NAMES_MAX
            && !told.contains_key(name)
            && EventName::parse(name).is_ok()
            && told.insert(name.into(), namespace.clone()).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::{NAMES_MAX, Namespace, UnhandledEvents};

    #[test]
    fn each_name_is_news_once_and_only_so_many_are() {
        let (unhandled, chat) = (UnhandledEvents::default(), Namespace::parse("/chat").unwrap());
        assert!(unhandled.is_news(&chat, "chat:send"));
        assert!(!unhandled.is_news(&Namespace::root(), "chat:send"));
        assert_eq!(unhandled.told(), [("chat:send".into(), chat.clone())]);
        for name in ["userline:x", "line\nbreak", &"x".repeat(129)] {
            assert!(!unhandled.is_news(&chat, name), "{name}");
        }
        let news = (0..2 * NAMES_MAX).filter(|n| unhandled.is_news(&chat, &n.to_string())).count();
        assert_eq!(news, NAMES_MAX - 1);
    }
}
