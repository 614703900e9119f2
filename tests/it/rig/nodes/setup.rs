//! What nodes of the tests are set up like. `DATA` stands for the folder of a node's data.

use super::{GRACE, LEASE, NODE_GRACE};
use crate::rig::server::{HOOK_SECRET, common};

/// Nobody is told of anything, and nobody is gone soon.
pub(super) fn quiet(redis: &str) -> String {
    common("DATA", "1s")
        + &format!(
            r#"
[presence]
grace = "1m"
[cluster]
redis = "{redis}"
heartbeat = "2s"
lease = "8s"
hold = "1s"
"#
        )
}

/// Who comes and goes is told, and soon.
pub(super) fn hooked(redis: &str, hooks: &str) -> String {
    common("DATA", "1s")
        + &format!(
            r#"
[presence]
grace = "{GRACE}ms"
[hooks]
url = "{hooks}"
secret = "{HOOK_SECRET}"
timeout = "1s"
allow_private = true
[limits]
stall = "2s"
[socketio]
ping_interval = "1s"
ping_timeout = "1s"
[cluster]
redis = "{redis}"
heartbeat = "1s"
lease = "{LEASE}ms"
node_grace = "{NODE_GRACE}ms"
hold = "2s"
[log]
level = "info"
"#
        )
}
