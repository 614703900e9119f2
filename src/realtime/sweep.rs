//! The last resort against what should never happen, and the forgetting of what is too old.

use super::Realtime;
use super::sockets::Suspects;
use crate::types::Reason;

impl Realtime {
    /// Sweeps the registry again and again, as long as it runs. Each socket that has to go is counted in
    /// `userline_audit_removals_total`, which must stay 0. Also forgets old history.
    pub async fn run_sweep(self) {
        let mut suspects = Suspects::default();
        loop {
            tokio::time::sleep(self.sockets.sweep_interval()).await;
            for socket in self.sockets.sweep(&mut suspects) {
                tracing::warn!(socket.id = %socket.id, "a socket was registered without a connection");
                metrics::counter!("userline_audit_removals_total").increment(1);
                self.leave(&socket, Reason::Audit);
            }
            self.forget_old();
        }
    }
}
