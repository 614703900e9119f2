//! Names of events, one or many: what is allowed in the configuration.

use super::{ClientRequest, EventName, NamePattern};
use std::fmt;

/// A name of an event, or with `*` at its end all names that begin so: `order:paid`, `chat:*`, `*`. Never one of the
/// server's own.
#[derive(Clone, PartialEq, Eq)]
pub struct EventPattern(NamePattern);

impl EventPattern {
    /// What a text must be, for people.
    pub const RULE: &str = "must be the name of an event, or the beginning of names and `*`, such as \"chat:*\": at most \
                            128 bytes, not one of Socket.IO's own, not beginning with `userline:`";

    /// Takes the text as it is; `None` if it breaks [`EventPattern::RULE`].
    pub fn parse(text: &str) -> Option<Self> {
        let name = text.strip_suffix('*').unwrap_or(text);
        // Beginnings are names themselves, but for the empty one and those of Socket.IO.
        let is_many = name.len() < text.len();
        let is_of_socket_io = EventName::SOCKET_IO.contains(&name);
        if !(is_many && (name.is_empty() || is_of_socket_io) || EventName::parse(name).is_ok()) {
            return None;
        }
        NamePattern::parse(text).ok().map(Self)
    }

    /// The same for what clients send, the requests that the server answers itself included: one of their names, or
    /// `userline:*` for all.
    pub fn parse_sent(text: &str) -> Option<Self> {
        let is_request = text == "userline:*" || ClientRequest::parse(text).is_some();
        let request = || NamePattern::parse(text).ok().filter(|_| is_request).map(Self);
        Self::parse(text).or_else(request)
    }

    /// Whether it allows this name.
    pub fn matches(&self, name: &str) -> bool {
        self.0.matches(name)
    }

    /// Whether it allows all names.
    pub fn is_any(&self) -> bool {
        self.0.is_any()
    }

    /// Whether there is a name that both allow.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.overlaps(&other.0)
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventPattern({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::EventPattern;

    fn pattern(text: &str) -> EventPattern {
        EventPattern::parse(text).unwrap()
    }

    #[test]
    fn a_pattern_is_a_name_or_a_beginning() {
        for (text, name, is_match) in [
            ("order:paid", "order:paid", true),
            ("order:paid", "order:paid2", false),
            ("order:*", "order:paid", true),
            ("order:*", "order:", true),
            ("order:*", "orders", false),
            ("*", "anything", true),
        ] {
            assert_eq!(pattern(text).matches(name), is_match, "{text} {name}");
        }
        for text in
            ["", "a*b", "*a", "**", "connect", "userline:emit", "userline:*", "userline:x*", "a\n*"]
        {
            assert!(EventPattern::parse(text).is_none(), "{text:?}");
        }
        assert!(EventPattern::parse(&"a".repeat(129)).is_none());
    }

    #[test]
    fn what_clients_send_has_the_requests_to_the_server_and_nothing_else_besides() {
        for (text, name) in [
            ("typing", "typing"),
            ("userline:inbox", "userline:inbox"),
            ("userline:*", "userline:emit"),
        ] {
            assert!(EventPattern::parse_sent(text).unwrap().matches(name), "{text}");
        }
        for text in ["userline:inbx", "userline:in*", "userline:session", "connect"] {
            assert!(EventPattern::parse_sent(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn patterns_overlap_if_a_name_has_both() {
        let names = ["a", "ab", "abc", "b", "order:paid"];
        let patterns = ["a", "ab", "a*", "ab*", "abc*", "b*", "order:*", "order:paid", "*"];
        for one in patterns {
            for two in patterns {
                // Each of these patterns allows at least one of the names.
                let both =
                    names.iter().any(|it| pattern(one).matches(it) && pattern(two).matches(it));
                assert_eq!(pattern(one).overlaps(&pattern(two)), both, "{one} {two}");
            }
        }
    }
}
