//! Asking the clients for acks.

use crate::commands::bounds::TIMEOUTS;
use crate::commands::number::integer;
use crate::commands::schema::TimeoutText;
use crate::core::emit::acks::AckNeed;
use crate::core::emit::message::AckOptions;
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use std::fmt;
use std::time::Duration;
use utoipa::ToSchema;

/// What is asked of the clients.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"timeout": "5s", "need": "all"}))]
pub struct AckRequest {
    /// How long to wait for the acks: a duration such as `5s`, or milliseconds; 1 ms to 60 s.
    #[serde(deserialize_with = "timeout")]
    #[schema(value_type = TimeoutText)]
    timeout: Duration,
    /// Whose acks end the wait early.
    need: Option<NeedName>,
}

/// Whose acks end the wait early.
#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum NeedName {
    /// Every socket's.
    #[default]
    All,
    /// That of one socket, whichever.
    Any,
    /// That of one socket of each user.
    OnePerUser,
}

impl From<AckRequest> for AckOptions {
    fn from(request: AckRequest) -> Self {
        let AckRequest { timeout, need } = request;
        let need = match need.unwrap_or_default() {
            NeedName::All => AckNeed::All,
            NeedName::Any => AckNeed::Any,
            NeedName::OnePerUser => AckNeed::OnePerUser,
        };
        Self { need, timeout }
    }
}

/// A duration such as "5s", or milliseconds, within the bounds.
fn timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(TimeoutVisitor)
}

struct TimeoutVisitor;

impl TimeoutVisitor {
    fn check<E: Error>(given: Option<Duration>) -> Result<Duration, E> {
        given.filter(|it| TIMEOUTS.contains(it)).ok_or_else(|| {
            let [min, max] = [TIMEOUTS.start(), TIMEOUTS.end()].map(Duration::as_millis);
            E::custom(format_args!(
                "must be a duration such as \"5s\", or milliseconds, from {min} ms to {} s",
                max / 1000
            ))
        })
    }
}

impl Visitor<'_> for TimeoutVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"5s\", or a number of milliseconds")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        Self::check(humantime::parse_duration(text).ok())
    }

    fn visit_u64<E: Error>(self, ms: u64) -> Result<Duration, E> {
        Self::check(Some(Duration::from_millis(ms)))
    }

    fn visit_f64<E: Error>(self, ms: f64) -> Result<Duration, E> {
        let ms = integer(ms).and_then(|it| u64::try_from(it).ok());
        Self::check(ms.map(Duration::from_millis))
    }
}
