//! Whose turn it is to deliver for an endpoint, where nodes share the work.

use super::task::{EndpointCommand, EndpointTask};
use crate::core::delivery::decision::DeliveryId;
use crate::core::delivery::dispatch::Dispatch;

impl EndpointTask {
    /// Waits until it is this node's turn to deliver. Returns whether it may lose that again; `None` if it is to stop.
    pub(super) async fn turn(&mut self) -> Option<bool> {
        loop {
            let Self { endpoint, commands, .. } = self;
            let command = async {
                match commands {
                    Some(commands) => commands.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                may_lose = endpoint.ledger.take(endpoint.id) => return Some(may_lose),
                command = command => match command {
                    Some(EndpointCommand::Hurry) => {}
                    Some(EndpointCommand::Drain { .. }) => return None,
                    None => self.commands = None,
                }
            }
        }
    }

    /// What was known of what waits is another node's now, and what is under way here ends there.
    pub(super) fn forget(&mut self) {
        self.dispatch = Dispatch::new(self.settings);
        self.attempts.clear();
        self.unsettled.clear();
        (self.settling, self.cursor, self.is_behind) = (None, DeliveryId(0), true);
        (self.read_again, self.backlog, self.has_news) = (None, 0, true);
        self.tell();
    }
}
