//! `[cluster]`: many nodes that agree in Redis or Valkey.

mod agreement;
mod forward;
pub(super) mod needs;

pub use forward::ForwardConfig;

use super::reader::{Checked, SettingsReader};
use super::redis_location::RedisLocation;
use crate::types::Secret;
use std::time::Duration;

/// Longest name, in bytes: it stands in every key.
const NAME_BYTES_MAX: usize = 48;
/// Shortest secret, in bytes: others can try it against its fingerprint in Redis.
const SECRET_BYTES_MIN: usize = 16;
/// Beats that a node may miss before it counts as gone: one lost beat is no death.
const BEATS_PER_LEASE: u32 = 3;

/// How the nodes of a cluster find each other, and when one of them counts as gone.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Where Redis or Valkey is.
    pub redis: RedisLocation,
    /// What every key begins with, so that several clusters may use one Redis.
    pub name: String,
    /// Keeps nodes out that do not have it.
    pub secret: Option<Secret>,
    /// How often a node says that it is there.
    pub heartbeat: Duration,
    /// How long it may be silent before others let its users go.
    pub lease: Duration,
    /// How long these users stay online without a socket.
    pub node_grace: Duration,
    /// How long nobody goes offline after an outage of Redis.
    pub hold: Duration,
    /// Bytes of events that the log may hold.
    pub log_bytes: usize,
    /// Bytes that the inboxes of all users may hold.
    pub inbox_bytes: usize,
    /// Where what is stored has to be before it is answered for.
    pub durability: Durability,
    /// Whether load balancers are told to send clients to a node that does not reach Redis.
    pub ready_when_cut_off: bool,
    /// How nodes hand each other requests of clients; `None`: they do not.
    pub forward: Option<ForwardConfig>,
    /// Whether clients come in while it is not known how many connections their users have.
    pub admit_when_cut_off: bool,
}

/// Where what is stored has to be before it is answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// In the memory of Redis.
    Async,
    /// On a replica, too.
    Replica,
    /// On the disk of Redis, too.
    Fsync,
}

impl Durability {
    const ALL: [Self; 3] = [Self::Async, Self::Replica, Self::Fsync];

    /// As it stands in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Replica => "replica",
            Self::Fsync => "fsync",
        }
    }
}

impl ClusterConfig {
    /// The section; `None` if `cluster.redis` is not written: one node, and no Redis.
    pub(super) fn read(reader: &mut SettingsReader) -> Checked<Option<Self>> {
        let redis = RedisLocation::read(reader, "cluster.redis", "cluster.ca_file");
        let rule = "must be 1 to 48 letters, digits, \"-\", \"_\" or \".\"";
        let name =
            reader.parsed("cluster.name", rule, |text| is_name(text).then(|| text.to_owned()));
        let secret = read_secret(reader);
        let seconds = |from, to| Duration::from_secs(from)..=Duration::from_secs(to);
        let heartbeat = reader.duration("cluster.heartbeat", seconds(1, 60));
        let lease = reader.duration("cluster.lease", seconds(3, 600));
        let node_grace = reader.duration("cluster.node_grace", seconds(0, 600));
        let hold = reader.duration("cluster.hold", seconds(0, 600));
        let log_bytes = reader.size("cluster.log_bytes_max", 1_000_000..=10_000_000_000);
        let inbox_bytes = reader.size("cluster.inbox_bytes_max", 1_000_000..=1_000_000_000_000);
        let durability = read_durability(reader);
        let ready_when_cut_off = reader.switch("cluster.ready_when_cut_off");
        let has_secret = secret.as_ref().is_ok_and(Option::is_some);
        let forward = forward::read(reader, has_secret);
        let admit_when_cut_off = reader.switch("cluster.admit_when_cut_off");
        let (heartbeat, lease) = (heartbeat?, lease?);
        if lease < heartbeat * BEATS_PER_LEASE {
            let rule = format!("must be at least {BEATS_PER_LEASE} times cluster.heartbeat");
            return Err(reader.reject("cluster.lease", rule));
        }
        let config = |redis| -> Checked<Self> {
            Ok(Self {
                redis,
                name: name?,
                secret: secret?,
                heartbeat,
                lease,
                node_grace: node_grace?,
                hold: hold?,
                log_bytes: log_bytes?,
                inbox_bytes: inbox_bytes?,
                durability: durability?,
                ready_when_cut_off: ready_when_cut_off?,
                forward: forward?,
                admit_when_cut_off: admit_when_cut_off?,
            })
        };
        redis?.map(config).transpose()
    }
}

fn read_durability(reader: &mut SettingsReader) -> Checked<Durability> {
    let rule = "must be \"async\", \"replica\" or \"fsync\"";
    reader.parsed("cluster.durability", rule, |text| {
        Durability::ALL.into_iter().find(|it| it.as_str() == text)
    })
}

fn read_secret(reader: &mut SettingsReader) -> Checked<Option<Secret>> {
    let secret = reader.secret("cluster.secret")?;
    if secret.as_ref().is_some_and(|it| it.len() < SECRET_BYTES_MIN) {
        return Err(reader.reject("cluster.secret", "must have at least 16 bytes"));
    }
    Ok(secret.map(|it| Secret::new(it.into_bytes())))
}

/// Letters that need no care in a key, and none that would end its hash tag.
fn is_name(text: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(is_good)
}

#[cfg(test)]
mod tests;
