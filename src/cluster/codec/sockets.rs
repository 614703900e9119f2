//! What is said of sockets that hooks tell of.

use super::{number, text};
use crate::core::cluster::command::Apply;
use crate::core::cluster::facts::FactOp;
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::sockets::{SocketOp, SocketTold};
use crate::core::delivery::hook_body;
use crate::types::UserId;

/// What comes before all that a batch says of sockets, if it says anything of them.
pub(super) fn earlier(apply: &Apply) -> Vec<Vec<u8>> {
    let tells = apply.facts.iter().any(|it| matches!(it, FactOp::Socket { .. }));
    if !tells || apply.earlier.is_empty() {
        return Vec::new();
    }
    let earlier: Vec<&str> = apply.earlier.iter().map(Incarnation::as_str).collect();
    vec![text("O"), text(earlier.join(" "))]
}

/// One thing of a socket of this user.
pub(super) fn operation(user: &UserId, op: &SocketOp) -> Vec<Vec<u8>> {
    let begin = |name: &str, told: &SocketTold| {
        let at = hook_body::rfc3339(told.at);
        let (user, socket) = (text(user.as_str()), text(told.socket.to_string()));
        vec![text(name), user, socket, text(at), text(told.words.as_str())]
    };
    match op {
        SocketOp::Went(told) => begin("Q", told),
        SocketOp::Came { told, is_retold } => {
            let mut words = begin("C", told);
            let user = hook_body::quoted(user.as_str());
            words.extend([text(user), number(told.since.0), number(u8::from(*is_retold))]);
            words
        }
    }
}
