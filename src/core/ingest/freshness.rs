//! Which messages are too old to be sent: after an outage nobody gets a day of old news.

use std::time::Duration;

/// How old a message is, and how long it may still be sent, by the clock of where it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Since it was written; zero if that lies ahead.
    pub age: Duration,
    /// Milliseconds until its sender wants it dropped, negative if that has passed; `None`: never.
    pub left_ms: Option<i64>,
}

impl Freshness {
    /// Whether it comes too late, where messages older than `max_age` do.
    pub fn is_stale(self, max_age: Option<Duration>) -> bool {
        self.left_ms.is_some_and(|left| left <= 0) || max_age.is_some_and(|max| max < self.age)
    }
}

#[cfg(test)]
mod tests {
    use super::Freshness;
    use std::time::Duration;

    #[test]
    fn a_message_is_stale_when_its_sender_or_the_source_says_so() {
        let minute = Some(Duration::from_mins(1));
        for (age_s, left_ms, max_age, expected) in [
            (0, None, None, false),
            (1_000_000, None, None, false),
            (60, None, minute, false),
            (61, None, minute, true),
            (0, Some(1), minute, false),
            (0, Some(0), None, true),
            (0, Some(-5), minute, true),
            (61, Some(9), minute, true),
        ] {
            let it = Freshness { age: Duration::from_secs(age_s), left_ms };
            assert_eq!(it.is_stale(max_age), expected, "{it:?} {max_age:?}");
        }
    }
}
