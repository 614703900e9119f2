//! A client's place in the log, as the client keeps it.

use std::fmt;

/// A place in a log: that of an event, or of whatever was sent after it without a number.
///
/// Opaque to clients. Written `Alife.number`, both in base 36; the first character tells the form, so that another one
/// can come. Before there were forms it was `life.number`: clients that kept such a place over the update have it still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offset {
    /// Tells the log from those of other lives of the process.
    pub(super) life: u64,
    /// The number of the event.
    pub(super) number: u64,
}

/// The form that is written. No digit of the numbers, which have no capital letters.
const FORM: char = 'A';

impl Offset {
    /// No place at all: a client that has this one cannot say what it missed.
    pub const NONE: Self = Self { life: 0, number: 0 };

    /// The number of the event.
    pub fn number(self) -> u64 {
        self.number
    }

    /// Reads what [`Offset`] writes, and what it wrote before there were forms; `None` for any other text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (life, number) = text.strip_prefix(FORM).unwrap_or(text).split_once('.')?;
        let life = u64::from_str_radix(life, 36).ok()?;
        let number = u64::from_str_radix(number, 36).ok()?;
        Some(Self { life, number })
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORM}{}.{}", Base36(self.life), Base36(self.number))
    }
}

struct Base36(u64);

impl fmt::Display for Base36 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = Vec::with_capacity(13);
        let mut rest = self.0;
        loop {
            let digit = u32::try_from(rest % 36).unwrap_or_default();
            digits.push(char::from_digit(digit, 36).unwrap_or('0'));
            rest /= 36;
            if rest == 0 {
                break;
            }
        }
        f.write_str(&digits.iter().rev().collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::Offset;

    #[test]
    fn what_is_written_is_read() {
        for (life, number) in [(0, 0), (7, 1), (35, 36), (u64::MAX, u64::MAX)] {
            let offset = Offset { life, number };
            assert_eq!(Offset::parse(&offset.to_string()), Some(offset));
        }
        assert_eq!(Offset { life: 36, number: 1295 }.to_string(), "A10.zz");
    }

    #[test]
    fn the_form_of_before_is_read_too_and_no_other() {
        assert_eq!(Offset::parse("10.zz"), Some(Offset { life: 36, number: 1295 }));
        for wrong in
            ["", "A", "zzz", "A10", "10.", "A.zz", "B!.1", "A10.zz.1", "10.-1", "a plain string."]
        {
            assert_eq!(Offset::parse(wrong), None, "{wrong}");
        }
    }
}
