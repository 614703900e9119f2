//! Which sockets have come, were refused, or have gone.

use crate::bench::error::BenchError;
use crate::bench::measure::Latency;
use crate::client::ClientEnd;
use std::time::Duration;

/// What has become of the sockets.
#[derive(Debug)]
pub(crate) struct Arrivals {
    pub(crate) ready: usize,
    pub(crate) refused: usize,
    /// Ended by the server, or broken.
    pub(crate) disconnected: usize,
    /// Ended by this side.
    pub(crate) left: usize,
    /// From the beginning of the TCP connection to the reply to CONNECT.
    pub(crate) latency: Latency,
    /// The first words about a socket that was refused or disconnected.
    pub(crate) trouble: Option<String>,
    /// Sockets that became ready since this was last looked at.
    pub(crate) now_ready: Vec<usize>,
    /// Sockets that ended since this was last looked at, however they did.
    pub(crate) now_over: Vec<usize>,
}

impl Arrivals {
    /// None yet.
    pub(crate) fn try_new() -> Result<Self, BenchError> {
        Ok(Self {
            ready: 0,
            refused: 0,
            disconnected: 0,
            left: 0,
            latency: Latency::try_new()?,
            trouble: None,
            now_ready: Vec::new(),
            now_over: Vec::new(),
        })
    }

    /// From here on it is counted anew; troubles of before stay.
    pub(crate) fn restart(&mut self) {
        self.latency.clear();
        (self.ready, self.left) = (0, 0);
        (self.now_ready, self.now_over) = (Vec::new(), Vec::new());
    }

    pub(crate) fn ready(&mut self, socket: usize, took: Duration) {
        self.ready += 1;
        self.latency.record(took);
        self.now_ready.push(socket);
    }

    pub(crate) fn ended(&mut self, socket: usize, ended: ClientEnd) {
        let (count, why) = match ended {
            ClientEnd::Refused(why) => (&mut self.refused, Some(why)),
            ClientEnd::Closed(why) => (&mut self.disconnected, Some(why)),
            ClientEnd::Left => (&mut self.left, None),
        };
        *count += 1;
        self.now_over.push(socket);
        if self.trouble.is_none() {
            self.trouble = why;
        }
    }

    /// These never got an answer.
    pub(crate) fn give_up(&mut self, sockets: usize) {
        self.refused += sockets;
        self.trouble.get_or_insert_with(|| "no answer to the handshake".to_owned());
    }

    /// How many attempts to connect have come to a result.
    pub(crate) fn settled(&self) -> usize {
        self.ready + self.refused
    }

    /// Fails if nobody could connect at all.
    pub(crate) fn has_any(&self) -> Result<(), BenchError> {
        if 0 < self.ready {
            return Ok(());
        }
        let why = self.trouble.as_deref().unwrap_or("no socket was opened");
        Err(BenchError::Unreachable(format!("no socket could connect: {why}")))
    }

    /// Sockets that are connected now.
    pub(crate) fn connected(&self) -> usize {
        self.ready.saturating_sub(self.disconnected + self.left)
    }
}
