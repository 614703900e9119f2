//! The last resort: sockets that are registered though their connection is gone. There should never be one.

use super::Sockets;
use crate::registry::Socket;
use crate::types::SocketId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Sockets that were found in a sweep; those of the next one that are among them have to go.
#[derive(Debug, Default)]
pub struct Suspects(BTreeSet<SocketId>);

impl Sockets {
    /// Looks for such sockets and returns those that were found twice in a row: once may be a disconnect on its way.
    /// The caller lets them go.
    pub fn sweep(&self, suspects: &mut Suspects) -> Vec<Arc<Socket>> {
        let gone = self.gone_sockets();
        let (again, first): (Vec<_>, Vec<_>) =
            gone.into_iter().partition(|socket| suspects.0.contains(&socket.id));
        suspects.0 = first.iter().map(|socket| socket.id).collect();
        again
    }

    fn gone_sockets(&self) -> Vec<Arc<Socket>> {
        let mut gone = Vec::new();
        self.presence.for_each(|_, roster| {
            gone.extend(roster.sockets().filter(|it| it.connection.is_gone()).cloned());
        });
        gone
    }
}
