//! Who has come, who was refused, who has gone.

use super::latency::Latency;
use super::session::Ended;
use crate::cli::exit::Failure;
use std::time::Duration;

/// What has become of the sockets.
#[derive(Debug)]
pub(super) struct Arrivals {
    pub(super) ready: usize,
    pub(super) refused: usize,
    /// Ended by the server, or broken.
    pub(super) disconnected: usize,
    /// Ended by this side.
    pub(super) left: usize,
    /// From the beginning of the TCP connection to the reply to CONNECT.
    pub(super) latency: Latency,
    /// The first words about a socket that was refused or disconnected.
    pub(super) trouble: Option<String>,
    /// Sockets that became ready since somebody last looked.
    pub(super) now_ready: Vec<usize>,
    /// Sockets that ended since somebody last looked, however they did.
    pub(super) now_over: Vec<usize>,
}

impl Arrivals {
    /// Nobody yet.
    pub(super) fn try_new() -> Result<Self, Failure> {
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
    pub(super) fn restart(&mut self) {
        self.latency.clear();
        (self.ready, self.left) = (0, 0);
        (self.now_ready, self.now_over) = (Vec::new(), Vec::new());
    }

    pub(super) fn ready(&mut self, socket: usize, took: Duration) {
        self.ready += 1;
        self.latency.record(took);
        self.now_ready.push(socket);
    }

    pub(super) fn ended(&mut self, socket: usize, ended: Ended) {
        let (count, why) = match ended {
            Ended::Refused(why) => (&mut self.refused, Some(why)),
            Ended::Closed(why) => (&mut self.disconnected, Some(why)),
            Ended::Left => (&mut self.left, None),
        };
        *count += 1;
        self.now_over.push(socket);
        if self.trouble.is_none() {
            self.trouble = why;
        }
    }

    /// These never got an answer.
    pub(super) fn give_up(&mut self, sockets: usize) {
        self.refused += sockets;
        self.trouble.get_or_insert_with(|| "no answer to the handshake".to_owned());
    }

    /// How many attempts to connect have come to a result.
    pub(super) fn settled(&self) -> usize {
        self.ready + self.refused
    }

    /// Fails if nobody could connect at all.
    pub(super) fn has_any(&self) -> Result<(), Failure> {
        if 0 < self.ready {
            return Ok(());
        }
        let why = self.trouble.as_deref().unwrap_or("no socket was opened");
        Err(Failure::Unreachable(format!("no socket could connect: {why}")))
    }

    /// Sockets that are connected now.
    pub(super) fn connected(&self) -> usize {
        self.ready.saturating_sub(self.disconnected + self.left)
    }
}
