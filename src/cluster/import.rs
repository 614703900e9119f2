//! Taking over what a node has that was alone, before any node of the cluster runs.

use super::codec::RedisCall;
use super::link::{LinkError, RedisLink, RedisTarget};
use super::scripts::Script;
use crate::config::ClusterConfig;
use crate::core::cluster::book::BookName;
use crate::core::cluster::import::{LoneContents, LoneHook, LoneInbox, LoneItem, LoneName};
use crate::core::control::record as restriction;
use crate::core::rooms::record as membership;
use crate::types::{WallMs, millis, saturating_u64};
use bytes::Bytes;
use redis::Value;
use std::time::Duration;
use thiserror::Error;

/// How long one answer of Redis may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Things that one call takes over: it takes some milliseconds.
const AT_ONCE: usize = 500;
/// Bytes after which a call takes over nothing more.
const BYTES_AT_ONCE: usize = 1_000_000;

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
    /// There would be too much in inboxes.
    #[error("inboxes would hold more bytes than cluster.inbox_bytes_max allows: raise it")]
    Full,
    /// Redis answered what no script of this version says.
    #[error("Redis answered what this version does not understand")]
    Answer,
}

/// What takes over.
#[derive(Debug)]
pub struct Import {
    link: RedisLink,
    prefix: String,
    /// What each call begins with.
    head: Vec<Vec<u8>>,
}

impl Import {
    /// Connects to the cluster of `config`. Inboxes are kept for `keep` after what came last. `now` stands for when the node ended
    /// that had `contents`, if that is not known.
    pub async fn begin(
        config: &ClusterConfig,
        keep: Duration,
        contents: &LoneContents,
        now: WallMs,
    ) -> Result<Self, ImportError> {
        let link = RedisLink::open(&RedisTarget::new(config), PATIENCE).await?;
        let prefix = format!("userline:{{{}}}:", config.name);
        let head = vec![
            prefix.clone().into_bytes(),
            text(contents.last_seq.0),
            text(contents.alive_at.unwrap_or(now).0),
            text(millis(config.node_grace)),
            text(millis(keep)),
            text(saturating_u64(config.inbox_bytes)),
        ];
        Ok(Self { link, prefix, head })
    }

    /// Takes over all of this but inboxes.
    pub async fn take(&self, contents: &LoneContents) -> Result<(), ImportError> {
        self.send(&items(contents)).await
    }

    /// Takes over inboxes.
    pub async fn take_inboxes(&self, inboxes: &[LoneInbox]) -> Result<(), ImportError> {
        self.send(&inboxes.iter().flat_map(inbox).collect::<Vec<_>>()).await
    }

    /// Once at least: that nodes run is said also if there is nothing to take over.
    async fn send(&self, items: &[ScriptItem]) -> Result<(), ImportError> {
        let (mut arguments, mut bytes, mut count) = (self.head.clone(), 0, 0);
        for item in items {
            if AT_ONCE <= count || BYTES_AT_ONCE <= bytes {
                self.call(std::mem::replace(&mut arguments, self.head.clone())).await?;
                (bytes, count) = (0, 0);
            }
            arguments.extend(item.iter().cloned());
            bytes += item.iter().map(Vec::len).sum::<usize>();
            count += 1;
        }
        self.call(arguments).await
    }

    async fn call(&self, arguments: Vec<Vec<u8>>) -> Result<(), ImportError> {
        let key = format!("{}meta", self.prefix);
        let call = RedisCall::Script { script: Script::Import, key, arguments };
        understand(&self.link.call(&call).await?)
    }
}

fn understand(answer: &Value) -> Result<(), ImportError> {
    let Value::Array(parts) = answer else { return Err(ImportError::Answer) };
    match parts.as_slice() {
        [Value::BulkString(status)] if status == b"OK" => Ok(()),
        [Value::BulkString(status)] if status == b"NEWER" => Err(ImportError::Newer),
        [Value::BulkString(status)] if status == b"FULL" => Err(ImportError::Full),
        [Value::BulkString(status), Value::Int(nodes)] if status == b"RUNNING" => {
            Err(ImportError::Running(u64::try_from(*nodes).unwrap_or_default()))
        }
        _ => Err(ImportError::Answer),
    }
}

/// One thing, as the script takes it.
type ScriptItem = Vec<Vec<u8>>;

/// All but inboxes: hooks first, in their order.
fn items(contents: &LoneContents) -> Vec<ScriptItem> {
    let mut items: Vec<ScriptItem> = contents.hooks.iter().map(hook).collect();
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

fn inbox(it: &LoneInbox) -> Vec<ScriptItem> {
    let user = it.user.as_str();
    let mut items =
        vec![vec![b"n".to_vec(), user.into(), text(it.head), text(it.upto), text(it.min)]];
    for LoneItem { name: known, namespace, event, args, since, ends, collapse_key } in &it.items {
        let mut item = name("i", user, known);
        item.extend([namespace, event, args].map(|it| it.as_str().into()));
        item.extend([text(since.0), text(ends.0), collapse_key.as_str().into()]);
        items.push(item);
    }
    for gone in &it.gone {
        let mut item = name("g", user, gone);
        item.push(gone.why.as_str().into());
        items.push(item);
    }
    items
}

fn name(what: &str, user: &str, it: &LoneName) -> ScriptItem {
    let LoneName { seq, id, message, why: _, is_read, ends } = it;
    let mut item: ScriptItem = vec![what.into(), user.into(), text(*seq)];
    item.extend([id, message].map(|it| it.as_str().into()));
    item.extend([text(ends.0), text(u64::from(*is_read))]);
    item
}

fn hook(it: &LoneHook) -> ScriptItem {
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
