//! What a client wants of the connection besides being let in.

use super::ConnectError;
use crate::auth::AuthPayload;
use crate::core::recovery::{Pid, SessionClaim};
use crate::types::{DeviceId, ItemSeq};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What a client wants of the connection besides being let in: the fields of its `auth` that say nothing of who it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ConnectOptions {
    /// `device`: what it calls the tab or device it runs in.
    pub(super) device: Option<DeviceId>,
    /// `inbox_after`: the last item of its inbox that it knows; it wants those after.
    pub(super) inbox_after: Option<ItemSeq>,
    /// `pid` and `offset`: what a stock client sends along to have its session back.
    pub(super) claim: RecoveryClaim,
}

/// What a stock client sends along to have its session back.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct RecoveryClaim {
    pid: Option<Pid>,
    offset: Option<String>,
}

impl ConnectOptions {
    /// Absent and `null` fields are not wanted. A device or a number that is none is refused; whatever does not look
    /// like a claim is no claim, because the stock client makes it by itself.
    pub(super) fn read(auth: &AuthPayload<'_>) -> Result<Self, ConnectError> {
        let device = auth.field::<String>("device").map_err(|_| ConnectError::Device)?;
        let device = device.map(|it| DeviceId::parse(&it)).transpose();
        let inbox_after =
            auth.field::<Number>("inbox_after").map_err(|_| ConnectError::InboxAfter)?;
        let claim = match (auth.field::<String>("pid"), auth.field("offset")) {
            (Ok(pid), Ok(offset)) => {
                let pid = pid.filter(|pid| pid.len() <= Pid::BYTES_MAX).map(Pid::new);
                RecoveryClaim { pid, offset }
            }
            (Err(_), _) | (_, Err(_)) => RecoveryClaim::default(),
        };
        Ok(Self {
            device: device.map_err(|_| ConnectError::Device)?,
            inbox_after: inbox_after.map(|Number(it)| ItemSeq(it)),
            claim,
        })
    }
}

/// A number, or a text of its digits: the Java client knows nothing but texts in `auth`.
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(it) => Ok(Self(it)),
            Written::Text(text) if text.bytes().all(|it| it.is_ascii_digit()) => {
                text.parse().map(Self).map_err(D::Error::custom)
            }
            Written::Text(_) => Err(D::Error::custom("not a number")),
        }
    }
}

impl RecoveryClaim {
    /// The claim; `None` without a `pid`.
    pub(super) fn get(&self) -> Option<SessionClaim<'_>> {
        let offset = self.offset.as_deref();
        self.pid.as_ref().map(|pid| SessionClaim { pid, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::{ConnectOptions, RecoveryClaim};
    use crate::auth::AuthPayload;
    use crate::core::recovery::Pid;
    use crate::types::{DeviceId, ItemSeq};
    use serde_json::value::RawValue;

    fn read(auth: &str) -> Result<ConnectOptions, &'static str> {
        let raw = RawValue::from_string(auth.to_owned()).unwrap();
        let auth = AuthPayload::parse(Some(&raw)).unwrap();
        ConnectOptions::read(&auth).map_err(|why| why.code())
    }

    fn options(
        device: Option<&str>,
        after: Option<u64>,
        claim: [Option<&str>; 2],
    ) -> ConnectOptions {
        let [pid, offset] = claim;
        ConnectOptions {
            device: device.map(|it| DeviceId::parse(it).unwrap()),
            inbox_after: after.map(ItemSeq),
            claim: RecoveryClaim { pid: pid.map(Pid::new), offset: offset.map(str::to_owned) },
        }
    }

    #[test]
    fn each_field_is_read_by_itself() {
        let all = r#"{"token":7,"device":"d\u0031","inbox_after":3,"pid":"p","offset":"o"}"#;
        let nulls = r#"{"device":null,"inbox_after":null,"pid":null,"offset":null}"#;
        let none = options(None, None, [None, None]);

        assert_eq!(read(all), Ok(options(Some("d1"), Some(3), [Some("p"), Some("o")])));
        assert_eq!(read(nulls), Ok(options(None, None, [None, None])));
        assert_eq!(read("{}"), Ok(none));
        assert_eq!(read(r#"{"inbox_after":"7"}"#), Ok(options(None, Some(7), [None, None])));
        assert_eq!(read("null"), Ok(options(None, None, [None, None])));
        assert_eq!(read(r#"{"pid":"p"}"#), Ok(options(None, None, [Some("p"), None])));
    }

    #[test]
    fn a_device_and_a_number_that_are_none_are_refused() {
        for wrong in ["7", "\"\"", "{}", "\"a\\u0000\""] {
            assert_eq!(read(&format!(r#"{{"device":{wrong}}}"#)), Err("device_invalid"), "{wrong}");
        }
        for wrong in ["-1", "1.5", "\"\"", "\"+7\"", "\" 7\"", "\"7.0\"", "[]", "1e400"] {
            let auth = format!(r#"{{"inbox_after":{wrong}}}"#);
            assert_eq!(read(&auth), Err("inbox_after_invalid"), "{wrong}");
        }
    }

    #[test]
    fn what_does_not_look_like_a_claim_is_none() {
        let long = format!(r#"{{"pid":"{}","offset":"o"}}"#, "p".repeat(Pid::BYTES_MAX + 1));

        assert_eq!(read(r#"{"pid":7,"offset":"o"}"#), Ok(options(None, None, [None, None])));
        assert_eq!(read(r#"{"pid":"p","offset":{}}"#), Ok(options(None, None, [None, None])));
        assert!(read(&long).unwrap().claim.get().is_none());
        assert!(read(r#"{"offset":"o"}"#).unwrap().claim.get().is_none());
    }
}
