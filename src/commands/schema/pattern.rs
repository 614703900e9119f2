//! Regular expressions for what is counted in bytes, or measured in time: in the dialect that JSON Schema names (ECMA 262).

use crate::types::{SocketId, millis};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What may be in a name, as part of a character class: printable characters of ASCII.
pub(super) const ANY: &str = r" -~";
/// The same without `,` and `?`, which end a namespace in a packet.
pub(super) const WITHOUT_SEPARATORS: &str = r" -+\-->@-~";
/// A text without control characters.
pub(super) const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
/// Control characters: what no name has.
const NEVER: &str = r"\u0000-\u001f\u007f-\u009f";

/// A name of 1 to `bytes_max` bytes.
pub(super) fn name(ascii: &str, bytes_max: usize) -> String {
    format!("^(?:{})$", alternatives(ascii, 1, bytes_max))
}

/// The same after `start`, which is ASCII and counts; the rest may be empty.
pub(super) fn name_after(start: &str, ascii: &str, bytes_max: usize) -> String {
    let rest = bytes_max.saturating_sub(start.len());
    format!("^{start}(?:{})$", alternatives(ascii, 0, rest))
}

/// The id of a socket.
pub(super) fn socket() -> String {
    format!("^{}[A-Za-z0-9_-]{{{}}}$", SocketId::PREFIX, SocketId::DIGITS)
}

/// Any text of at most `bytes_max` bytes.
pub(super) fn text(bytes_max: usize) -> String {
    let sizes = [(r"\u0000-\u007f", 1), (r"\u0000-\u07ff", 2), (r"\u0000-\ud7ff\ue000-\uffff", 3)];
    let sizes = sizes.map(|(class, size)| format!("[{class}]{{0,{}}}", bytes_max / size));
    format!(r"^(?:{}|[\s\S]{{0,{}}})$", sizes.join("|"), bytes_max / 4)
}

/// Characters of one byte; of at most two; of at most three; of any size: each as many as fit.
fn alternatives(ascii: &str, min: usize, bytes_max: usize) -> String {
    let separators = if ascii == ANY { "" } else { ",?" };
    let classes = [
        format!("[{ascii}]"),
        format!(r"[{ascii}\u00a0-\u07ff]"),
        format!(r"[{ascii}\u00a0-\ud7ff\ue000-\uffff]"),
        format!("[^{NEVER}{separators}]"),
    ];
    let sized = classes
        .iter()
        .zip(1..)
        .map(|(class, size)| format!("{class}{{{min},{}}}", bytes_max / size));
    sized.collect::<Vec<_>>().join("|")
}

/// Units of a duration, the longest last.
const UNITS: [(&str, Duration); 5] = [
    ("ms", Duration::from_millis(1)),
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_mins(1)),
    ("h", Duration::from_hours(1)),
    ("d", Duration::from_hours(24)),
];

/// Durations of one unit, within a range that begins with one unit.
pub(super) fn durations(range: &RangeInclusive<Duration>) -> String {
    let fitting = UNITS.iter().filter(|(_, unit)| range.contains(unit));
    let fitting = fitting.map(|(name, unit)| {
        let most = millis(*range.end()) / millis(*unit);
        format!("(?:{}){name}", numbers_up_to(most))
    });
    format!("^(?:{})$", fitting.collect::<Vec<_>>().join("|"))
}

/// The numbers from 1 to `max`, without zeros in front.
fn numbers_up_to(max: u64) -> String {
    let digits = max.to_string();
    let mut all = Vec::new();
    if 1 < digits.len() {
        all.push(format!("[1-9][0-9]{{0,{}}}", digits.len() - 2));
    }
    // As many digits: the first ones are those of `max`, the next is lower, the others are any.
    for (place, digit) in digits.char_indices() {
        let lowest = if place == 0 { '1' } else { '0' };
        let rest = digits.len() - place - 1;
        if lowest < digit
            && let Some(lower) = char::from_u32(u32::from(digit) - 1)
            && let Some(same) = digits.get(..place)
        {
            all.push(format!("{same}[{lowest}-{lower}][0-9]{{{rest}}}"));
        }
    }
    all.push(digits);
    all.join("|")
}
