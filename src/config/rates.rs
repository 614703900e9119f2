//! `[limits]`, as far as it says how fast one socket may send.

use super::reader::{Checked, SettingsReader};
use crate::core::throttle::{EventRate, Rate, SocketRates};
use crate::types::EventPattern;
use std::num::NonZeroU32;

const SINGLE_LEN_MAX: usize = 64;
/// Events per second, and at once.
const EVENTS_MAX: u64 = 1_000_000;
/// Bytes per second, and at once.
const BYTES_MAX: u64 = 1_000_000_000;

const RULE: &str = "must be the name of an event or of a request such as \"userline:inbox\", or the beginning of names and `*`, \
                    such as \"chat:*\" or \"userline:*\": at most 128 bytes, not one of Socket.IO's own";

/// How fast one socket may send.
pub(super) fn read(reader: &mut SettingsReader) -> Checked<SocketRates> {
    let events = reader.number("limits.events_per_s", 0..=EVENTS_MAX);
    let events_burst = reader.number("limits.events_burst", 1..=EVENTS_MAX);
    let bytes = reader.size("limits.bytes_per_s", 0..=BYTES_MAX);
    let bytes_burst = reader.size("limits.bytes_burst", 1..=BYTES_MAX);
    let (prefixes, all) = reader.tables("limits.event_rates", SINGLE_LEN_MAX);
    let single: Vec<Checked<EventRate>> =
        prefixes.iter().map(|prefix| read_single(reader, prefix)).collect();
    all?;
    let narrow = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    Ok(SocketRates {
        events: rate(events?, events_burst?),
        bytes: rate(narrow(bytes?), narrow(bytes_burst?)),
        single: single.into_iter().collect::<Checked<_>>()?,
    })
}

fn read_single(reader: &mut SettingsReader, prefix: &str) -> Checked<EventRate> {
    let event = reader.parsed(&format!("{prefix}.event"), RULE, EventPattern::parse_sent);
    let per_s = reader.number(&format!("{prefix}.per_s"), 1..=EVENTS_MAX);
    let burst = reader.number(&format!("{prefix}.burst"), 1..=EVENTS_MAX);
    let (event, per_s, burst) = (event?, per_s?, burst?);
    Ok(EventRate { event, rate: Rate { per_s: at_least_one(per_s), burst: at_least_one(burst) } })
}

/// None for a rate of 0: no limit.
fn rate(per_s: u32, burst: u32) -> Option<Rate> {
    let per_s = NonZeroU32::new(per_s)?;
    Some(Rate { per_s, burst: at_least_one(burst) })
}

fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}
