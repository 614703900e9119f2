//! The answer of a backend to an event of a client: its body, with the header `userline-answer: 1`.
//!
//! Without that header a body is the client's ack and nothing more: a backend that answers with what a client wrote must
//! not become a way to emit.

use super::emit::{self, EmitTerms};
use super::error::CommandError;
use super::json::{self, JsonObject, present};
use crate::core::emit::message::Message;
use crate::core::protocol::binary;
use crate::types::{EventPattern, Payload, SourceName};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Where `GET /v1/messages` says that such emits come from.
const SOURCE: &str = "events";
/// Emits in one answer.
pub const EMITS_MAX: usize = 100;
/// Longest code of an error, in bytes.
const CODE_BYTES_MAX: usize = 128;
/// Longest message of an error, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;

/// What of the configuration bounds an answer.
#[derive(Debug, Clone, Copy)]
pub struct AnswerTerms<'a> {
    /// What bounds its emits.
    pub emits: EmitTerms<'a>,
    /// The events that it may emit.
    pub may_emit: &'a [EventPattern],
}

/// What the backend answers.
#[derive(Debug)]
pub struct EventAnswer {
    /// The arguments of the client's ack, or the error in its place.
    pub reply: Result<Payload, AnswerError>,
    /// What it emits, in this order, before the client is acked.
    pub emits: Vec<Message>,
}

/// An error of the backend's own, for the client.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerError {
    /// The name that the client's program branches on.
    pub code: String,
    /// The same for people.
    pub message: String,
    /// Anything else.
    pub data: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerEnvelope {
    #[serde(default, deserialize_with = "present")]
    ack: Option<Box<RawValue>>,
    args: Option<Vec<Box<RawValue>>>,
    binary: Option<bool>,
    error: Option<JsonObject<AnswerError>>,
    emit: Option<Vec<Box<RawValue>>>,
}

/// Reads an answer. One that is wrong anywhere is wrong as a whole.
pub fn parse(json: &[u8], terms: AnswerTerms<'_>) -> Result<EventAnswer, CommandError> {
    let AnswerEnvelope { ack, args, binary, error, emit } = json::parse(json)?;
    let reply = match (ack, args, error) {
        (ack, None, None) => Ok(payload(ack.into_iter().collect(), binary.unwrap_or(false))?),
        (None, Some(args), None) => Ok(payload(args, binary.unwrap_or(false))?),
        (None, None, Some(JsonObject(error))) => Err(error.checked()?),
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            return Err(CommandError::new("give one of `ack`, `args` and `error`"));
        }
    };
    let emit = emit.unwrap_or_default();
    if EMITS_MAX < emit.len() {
        let why = format_args!("at most {EMITS_MAX} emits, not {}", emit.len());
        return Err(CommandError::field("emit", why));
    }
    let emits = emit.iter().enumerate().map(|(index, json)| {
        one_emit(json, terms).map_err(|error| within(&format!("emit[{index}]"), error))
    });
    Ok(EventAnswer { reply, emits: emits.collect::<Result<_, _>>()? })
}

fn one_emit(json: &RawValue, terms: AnswerTerms<'_>) -> Result<Message, CommandError> {
    let mut message = emit::parse(json.get().as_bytes(), terms.emits, None)?;
    message.emit.source = SourceName::parse(SOURCE);
    let event = message.emit.event.as_str();
    if !terms.may_emit.iter().any(|it| it.matches(event)) {
        let why = format_args!("`events.may_emit` does not name `{event}`");
        return Err(CommandError::field("event", why));
    }
    if message.acks.is_some() {
        let why = "an answer cannot wait for acks: emit over the API instead";
        return Err(CommandError::field("ack", why));
    }
    Ok(message)
}

fn within(place: &str, CommandError { code, message, field }: CommandError) -> CommandError {
    let (field, message) = match field {
        Some(field) => (format!("{place}.{field}"), format!("{place}.{message}")),
        None => (place.to_owned(), format!("{place}: {message}")),
    };
    CommandError { code, message, field: Some(field) }
}

fn payload(args: Vec<Box<RawValue>>, has_binary: bool) -> Result<Payload, CommandError> {
    let mut buffers = Vec::new();
    let args = if has_binary {
        let taken = args.iter().map(|arg| binary::take_out(arg, &mut buffers));
        taken.collect::<Result<_, _>>().map_err(|why| CommandError::field("ack", why))?
    } else {
        args
    };
    let payload = Payload::try_new(args).map_err(|why| CommandError::field("args", why))?;
    Ok(payload.with_buffers(buffers))
}

impl AnswerError {
    fn checked(self) -> Result<Self, CommandError> {
        let bounds = [
            ("error.code", &self.code, CODE_BYTES_MAX),
            ("error.message", &self.message, MESSAGE_BYTES_MAX),
        ];
        for (field, text, max) in bounds {
            if text.is_empty() || max < text.len() {
                let why = format_args!("must be a text of 1 to {max} bytes");
                return Err(CommandError::field(field, why));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
