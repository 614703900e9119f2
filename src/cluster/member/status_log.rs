//! What the log says of a node's place in the cluster: what keeps it out again and again, as soon as it is in, it says once.

use super::MemberStatus;
use crate::cluster::link::LinkError;

/// Troubles that are told of once each.
const TROUBLES_MAX: usize = 8;

/// What was said.
#[derive(Debug, Default)]
pub(super) struct StatusLog {
    is_in: bool,
    /// Why it was not in, since a connection has held.
    troubles: Vec<LinkError>,
}

impl StatusLog {
    /// Says what has changed. `holds`: the connection is no new one.
    pub(super) fn tell(&mut self, last: &MemberStatus, status: &MemberStatus, holds: bool) {
        match status {
            MemberStatus::Attached if !self.is_in && (holds || self.troubles.is_empty()) => {
                tracing::info!("in the cluster");
                (self.is_in, self.troubles) = (true, Vec::new());
            }
            MemberStatus::Degraded(Some(error)) if !self.troubles.contains(error) => {
                tracing::warn!(%error, "not in the cluster: this node goes on alone");
                self.is_in = false;
                self.troubles.truncate(TROUBLES_MAX - 1);
                self.troubles.push(error.clone());
            }
            MemberStatus::Apart(apart) if !matches!(last, MemberStatus::Apart(_)) => {
                let differences = apart.to_string();
                tracing::warn!(
                    differences,
                    "not in the cluster: nodes are there that are set up otherwise"
                );
            }
            MemberStatus::Attached | MemberStatus::Degraded(_) | MemberStatus::Apart(_) => {}
        }
    }
}
