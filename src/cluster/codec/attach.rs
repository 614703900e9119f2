//! The first words on a connection.

use super::{ClusterPlace, CodecError, items, number, parsed, string, text};
use crate::core::cluster::command::{Attach, Attached, Dissent, Reply, Standing};
use redis::Value;
use std::sync::Arc;
use std::time::Duration;

impl ClusterPlace {
    pub(super) fn attach(&self, attach: &Attach) -> Vec<Vec<u8>> {
        let (own, acked) = match &attach.own {
            Some((own, acked)) => (own.as_str(), *acked),
            None => ("", 0),
        };
        let mut arguments = vec![
            text(&*attach.run),
            text(attach.known_run.as_deref().unwrap_or_default()),
            text(own),
            number(acked),
            number(attach.seen),
            text(&*attach.known_copy),
            text(attach.next.as_str()),
            text(attach.unmoved.as_deref().unwrap_or_default()),
        ];
        for terms in [&self.agreement.must, &self.agreement.should] {
            arguments.push(number(terms.len()));
            arguments.extend(terms.iter().flat_map(|it| [text(it.key), text(&*it.value)]));
        }
        arguments.extend(self.endpoints.iter().map(|it| text(it.as_str())));
        arguments
    }
}

pub(super) fn reply(value: &Value) -> Result<Reply, CodecError> {
    match items(value)? {
        [status, witness, lease, differs] if string(status)? == "DIFFERS" => {
            Ok(Reply::Apart(Dissent {
                witness: string(witness)?.into(),
                lease: lease_of(string(lease)?)?,
                differs: pairs(differs)?,
            }))
        }
        [standing, epoch, copy, head, common, differs] => {
            let standing = match string(standing)? {
                "OK" => Standing::Same,
                "NEW" => Standing::New,
                "LOST" => Standing::Lost,
                _ => return Err(CodecError),
            };
            Ok(Reply::Attached(Attached {
                standing,
                epoch: Arc::from(string(epoch)?),
                copy: Arc::from(string(copy)?),
                head: parsed(head)?,
                common: parsed(common)?,
                differs: pairs(differs)?,
            }))
        }
        _ => Err(CodecError),
    }
}

/// As [`Config::agreement`](crate::config::Config::agreement) writes it.
fn lease_of(text: &str) -> Result<Duration, CodecError> {
    let millis = text.strip_suffix("ms").and_then(|it| it.parse().ok());
    millis.map(Duration::from_millis).ok_or(CodecError)
}

fn pairs(value: &Value) -> Result<Vec<(String, String)>, CodecError> {
    let pair = |it: &[Value]| match it {
        [key, value] => Ok((string(key)?.to_owned(), string(value)?.to_owned())),
        _ => Err(CodecError),
    };
    items(value)?.chunks(2).map(pair).collect()
}
