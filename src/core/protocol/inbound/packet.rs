//! Events and acks as a client writes them (<https://socket.io/docs/v4/socket-io-protocol/#packet-encoding>).
//!
//! ```text
//!   42/chat,7["name",arg,…]    its namespace, nothing for / · the id of the ack, if one is asked for · name and arguments
//!   451-["name",{"_placeholder":true,"num":0}]    the same with one buffer
//!   43/chat,7[arg,…]           an ack with this id
//! ```

use super::{ClientAck, ClientEvent, Inbound};
use crate::core::protocol::binary::BUFFERS_MAX;
use crate::core::protocol::messages::Malformed;
use bytes::Bytes;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The beginning of an event or ack.
#[derive(Debug, Clone, Copy)]
pub(super) struct PacketHead {
    is_ack: bool,
    /// Buffers that follow.
    pub(super) buffers: usize,
    /// Where it ends and the namespace begins.
    len: usize,
}

impl PacketHead {
    /// Reads the beginning of a text; `None` if it is neither an event nor an ack.
    pub(super) fn parse(text: &str) -> Result<Option<Self>, Malformed> {
        let (is_ack, has_buffers) = match text.as_bytes() {
            [b'4', b'2', ..] => (false, false),
            [b'4', b'3', ..] => (true, false),
            [b'4', b'5', ..] => (false, true),
            [b'4', b'6', ..] => (true, true),
            _ => return Ok(None),
        };
        let kind_len = "42".len();
        if !has_buffers {
            return Ok(Some(Self { is_ack, buffers: 0, len: kind_len }));
        }
        let (count, _) = text.split_once('-').unwrap_or_default();
        let buffers = count.get(kind_len..).and_then(number);
        match buffers.map(usize::try_from) {
            Some(Ok(buffers @ ..=BUFFERS_MAX)) => {
                Ok(Some(Self { is_ack, buffers, len: count.len() + "-".len() }))
            }
            _ => Err(Malformed::Packet("the number of its buffers is none, or too high")),
        }
    }

    /// Reads the rest of the text that it is the beginning of.
    pub(super) fn read<'a>(
        self,
        text: &'a str,
        buffers: &'a [Bytes],
    ) -> Result<Inbound<'a>, Malformed> {
        let (namespace, rest) = namespace(text.get(self.len..).unwrap_or_default());
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (id, json) = rest.split_at_checked(digits).unwrap_or_default();
        let id = match (id, number(id)) {
            ("", _) => None,
            (_, Some(id)) => Some(id),
            (_, None) => return Err(Malformed::Packet("the id of its ack is too high")),
        };
        if self.is_ack {
            let id = id.ok_or(Malformed::Packet("an ack has no id"))?;
            let args: &RawValue = serde_json::from_str(json).map_err(|_| NO_ARRAY)?;
            let is_array = args.get().starts_with('[');
            let ack = ClientAck { namespace, id, args, buffers };
            return is_array.then_some(Inbound::Ack(ack)).ok_or(NO_ARRAY);
        }
        let parts: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| NO_ARRAY)?;
        let name = name(parts.first().ok_or(NO_NAME)?.get())?;
        Ok(Inbound::Event(ClientEvent { namespace, name, parts, ack: id, buffers }))
    }
}

const NO_ARRAY: Malformed = Malformed::Packet("its arguments are no JSON array");
const NO_NAME: Malformed = Malformed::Packet("an event has no name");

/// The namespace at the beginning of `rest`, and what follows it.
pub(super) fn namespace(rest: &str) -> (&str, &str) {
    if !rest.starts_with('/') {
        return ("/", rest);
    }
    rest.split_once(',').unwrap_or((rest, ""))
}

/// The name of an event: a text, or a number as it was written.
fn name(json: &str) -> Result<Cow<'_, str>, Malformed> {
    match json.as_bytes().first() {
        Some(b'"') => {
            let written = json.get(1..json.len() - 1).unwrap_or_default();
            // Half a surrogate pair is JSON, but no text: such a name stays as it is written.
            let read = || serde_json::from_str(json).map_or(Cow::Borrowed(written), Cow::Owned);
            Ok(if written.contains('\\') { read() } else { Cow::Borrowed(written) })
        }
        Some(b'-' | b'0'..=b'9') => Ok(Cow::Borrowed(json)),
        _ => Err(NO_NAME),
    }
}

/// A number in decimal digits.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().all(|it| it.is_ascii_digit()).then(|| digits.parse().ok())?
}
