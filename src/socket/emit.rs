//! `userline:emit`: an event for another user or for a room; acked with `{}`, whoever is there, or with an ack.

use super::argument;
use super::request_error::RequestError;
use super::requests::Requests;
use crate::core::protocol::binary;
use crate::core::protocol::inbound::ClientEvent;
use crate::realtime::client_messages::{
    ClientMessage, MayNotSend, MessageReceivers, OwnSockets, ReadyMessage,
};
use crate::types::{EventName, Payload, Room, UserId};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// How long an ack may be waited for, in milliseconds.
const ACK_MS: RangeInclusive<u64> = 1..=10_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EmitArgument {
    to: ToArgument,
    event: String,
    data: Option<Box<RawValue>>,
    volatile: bool,
    except: Option<ExceptArgument>,
    ack: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ToArgument {
    user: Option<String>,
    room: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ExceptArgument {
    User,
    Device,
}

/// Sends at once; what takes longer, or waits for an ack, goes on by itself. Where the backend is asked whether it may be sent,
/// what comes behind it waits.
pub(super) fn begin(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let message = parse(event.args(), event.buffers)?;
    requests.count_sent(event, &message.event);
    let messages = &requests.parts().messages;
    let (asked, ack) = (Arc::clone(requests), event.ack);
    let message = if requests.questions.is_line_free() {
        match messages.check_at_once(requests.socket(), message)? {
            Ok(ready) => {
                let Some(ready) = messages.send_at_once(ready) else {
                    requests.ack(event.ack, &[&object("{}")?]);
                    return Ok(());
                };
                let sending = async move { send(&asked, ack, ready, || {}).await };
                return requests.answer_later("socket.emit", ack, sending);
            }
            Err(message) => message,
        }
    } else {
        message
    };
    requests.answer_in_line("socket.emit", event, async move |turn| {
        let ready = asked.parts().messages.check(asked.socket(), message).await?;
        send(&asked, ack, ready, || drop(turn)).await
    })
}

async fn send(
    requests: &Requests,
    ack: Option<u64>,
    ready: ReadyMessage,
    sent: impl FnOnce(),
) -> Result<(), RequestError> {
    let wants_ack = ready.wants_ack();
    let received = requests.parts().messages.send(ready, sent).await;
    let passed = received.and_then(|it| binary::pass_on(&it.args, &it.buffers).ok());
    let answer = match &passed {
        Some((args, _)) => object(&format!("{{\"ack\":{}}}", args.get()))?,
        None if wants_ack => object("{\"ack\":null}")?,
        None => object("{}")?,
    };
    let buffers = passed.map(|(_, buffers)| buffers).unwrap_or_default();
    requests.ack_with(ack, &[&answer], &buffers);
    Ok(())
}

fn parse(args: &[&RawValue], buffers: &[Bytes]) -> Result<ClientMessage, RequestError> {
    let EmitArgument { to, event, data, volatile, except, ack } = argument::read(args)?;
    let to = match to {
        ToArgument { user: Some(user), room: None } => {
            let user = UserId::parse(&user);
            MessageReceivers::User(
                user.map_err(|why| RequestError::invalid(format_args!("to.user: {why}")))?,
            )
        }
        ToArgument { user: None, room: Some(room) } => {
            let room = Room::parse(&room);
            MessageReceivers::Room(
                room.map_err(|why| RequestError::invalid(format_args!("to.room: {why}")))?,
            )
        }
        ToArgument { .. } => {
            return Err(RequestError::invalid("give either `to.user` or `to.room`"));
        }
    };
    let event = EventName::parse(&event)
        .map_err(|why| RequestError::invalid(format_args!("event: {why}")))?;
    if let Some(ms) = ack
        && (!ACK_MS.contains(&ms) || matches!(to, MessageReceivers::Room(_)))
    {
        let (min, max) = (ACK_MS.start(), ACK_MS.end());
        return Err(RequestError::invalid(format_args!(
            "ack: must be {min} to {max} ms, and only with `to.user`"
        )));
    }
    let data = data.map_or_else(|| object("null"), Ok)?;
    let (data, buffers) = binary::pass_on(&data, buffers)
        .map_err(|why| RequestError::invalid(format_args!("data: {why}")))?;
    let payload = Payload::try_new(vec![data]).map_err(RequestError::invalid)?;
    Ok(ClientMessage {
        to,
        event,
        payload: payload.with_buffers(buffers),
        volatile,
        except: except.map(|it| match it {
            ExceptArgument::User => OwnSockets::User,
            ExceptArgument::Device => OwnSockets::Device,
        }),
        ack: ack.map(Duration::from_millis),
    })
}

fn object(json: &str) -> Result<Box<RawValue>, RequestError> {
    RawValue::from_string(json.to_owned()).map_err(|error| RequestError::damaged(&error))
}

impl From<MayNotSend> for RequestError {
    fn from(why: MayNotSend) -> Self {
        Self::new(why.code(), why)
    }
}
