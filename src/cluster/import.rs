//! Taking over what a node has that was alone, before any node of the cluster runs.

use super::codec::RedisCall;
use super::link::{LinkError, RedisLink, RedisTarget};
use super::scripts::Script;
use crate::config::ClusterConfig;
use crate::core::cluster::book::BookName;
use crate::core::cluster::import::{LoneContents, LoneHook};
use crate::core::control::record as restriction;
use crate::core::rooms::record as membership;
use crate::types::{WallMs, millis};
use bytes::Bytes;
use redis::Value;
use std::time::Duration;
use thiserror::Error;

/// How long one answer of Redis may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Things that one call takes over: it takes some milliseconds.
const AT_ONCE: usize = 500;

/// Why nothing is taken over, or not all of it. It may be tried again: what was taken over is not twice there.
#[derive(Debug, Error)]
pub enum ImportError {
    /// Redis cannot be spoken to.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// There are nodes.
    #[error(
        "{0} nodes of the cluster run, or were killed: stop them in order first (one that was killed is gone when another has run \
         for cluster.lease)"
    )]
    Running(u64),
    /// The cluster was used since.
    #[error(
        "the cluster has told of newer changes than the hooks that wait in the data folder: let the node that was alone send them, \
         or use another cluster.name"
    )]
    Newer,
    /// Redis answered what no script of this version says.
    #[error("Redis answered what this version does not understand")]
    Answer,
}

/// Takes over all of this. `now` stands for when the node ended, if that is not known.
pub async fn import(
    config: &ClusterConfig,
    contents: &LoneContents,
    now: WallMs,
) -> Result<(), ImportError> {
    let link = RedisLink::open(&RedisTarget::new(config), PATIENCE).await?;
    let prefix = format!("userline:{{{}}}:", config.name);
    let ended = contents.alive_at.unwrap_or(now);
    let items = items(contents);
    // Once at least: that nodes run is said also if there is nothing to take over.
    let mut pages: Vec<&[Vec<Vec<u8>>]> = items.chunks(AT_ONCE).collect();
    if pages.is_empty() {
        pages.push(&[]);
    }
    for page in pages {
        let mut arguments = vec![
            prefix.clone().into_bytes(),
            text(contents.last_seq.0),
            text(ended.0),
            text(millis(config.node_grace)),
        ];
        arguments.extend(page.iter().flatten().cloned());
        let key = format!("{prefix}meta");
        let call = RedisCall::Script { script: Script::Import, key, arguments };
        understand(&link.call(&call).await?)?;
    }
    Ok(())
}

fn understand(answer: &Value) -> Result<(), ImportError> {
    let Value::Array(parts) = answer else { return Err(ImportError::Answer) };
    match parts.as_slice() {
        [Value::BulkString(status)] if status == b"OK" => Ok(()),
        [Value::BulkString(status)] if status == b"NEWER" => Err(ImportError::Newer),
        [Value::BulkString(status), Value::Int(nodes)] if status == b"RUNNING" => {
            Err(ImportError::Running(u64::try_from(*nodes).unwrap_or_default()))
        }
        _ => Err(ImportError::Answer),
    }
}

/// Each thing, as the script takes it: hooks first, in their order.
fn items(contents: &LoneContents) -> Vec<Vec<Vec<u8>>> {
    let mut items: Vec<Vec<Vec<u8>>> = contents.hooks.iter().map(hook).collect();
    for (user, session) in &contents.sessions {
        items.push(vec![b"u".to_vec(), user.as_str().into(), text(session.0)]);
    }
    let mut record = |book: BookName, name: &str, value: Option<Bytes>| {
        let value = value.map(|it| it.to_vec());
        let item = value.map(|it| vec![b"b".to_vec(), book.as_str().into(), name.into(), it]);
        items.extend(item);
    };
    for (user, it) in &contents.restrictions {
        record(BookName::Restrictions, user.as_str(), restriction::write(it));
    }
    for it in &contents.memberships {
        let name = membership::name(&it.user, &it.room, it.namespace.as_ref());
        record(BookName::Memberships, &name, it.standing.and_then(membership::write));
    }
    items
}

fn hook(it: &LoneHook) -> Vec<Vec<u8>> {
    let (kind, reason, closed) = match &it.end {
        None => ("on", "", Vec::new()),
        Some((reason, closed)) => ("off", reason.as_str(), text(closed.0)),
    };
    let next = it.next.map_or_else(Vec::new, |it| text(it.0));
    vec![
        b"h".to_vec(),
        text(it.seq.0),
        kind.into(),
        it.user.as_str().into(),
        text(it.session.0),
        reason.into(),
        closed,
        it.endpoint.as_str().into(),
        text(it.attempts),
        next,
    ]
}

fn text(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}
