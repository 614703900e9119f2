//! How a connection ended, more exactly than the reason says: a closed, documented list.

use std::fmt;

/// What was seen of a connection when it ended: for people who look into one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The client closed the connection: by a WebSocket close frame, or by the close packet of polling clients.
    ClosedByClient,
    /// The client's side ended the stream without that: its process or device went away, or a proxy cut it.
    EndOfStream,
    /// The client's side, or something between, reset the stream.
    Reset,
    /// The network lost the client: nothing that was sent was acknowledged any more.
    Unreachable,
    /// The stream failed otherwise.
    Broken,
    /// The client gave up a poll that was waiting: what a closed tab looks like.
    PollAbandoned,
    /// The client sent a poll while another was waiting.
    PollsOverlap,
    /// The client sent a body while another was being read.
    PostsOverlap,
    /// The client sent a body that is no list of Engine.IO packets.
    MalformedBody,
    /// More than `limits.buffer_bytes` were waiting for the client.
    BufferFull,
    /// The client took nothing for `limits.stall` while something was waiting.
    Stalled,
    /// More than `limits.waiting_bytes` were waiting for all clients, and of that most for this one.
    Crowded,
    /// What the client had begun to send would have been more than `limits.unfinished_bytes`, with that of all others.
    NoRoom,
}

impl Ending {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 13] = [
        Self::ClosedByClient,
        Self::EndOfStream,
        Self::Reset,
        Self::Unreachable,
        Self::Broken,
        Self::PollAbandoned,
        Self::PollsOverlap,
        Self::PostsOverlap,
        Self::MalformedBody,
        Self::BufferFull,
        Self::Stalled,
        Self::Crowded,
        Self::NoRoom,
    ];

    /// The stable name used in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClosedByClient => "goodbye",
            Self::EndOfStream => "end_of_stream",
            Self::Reset => "reset",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::PollAbandoned => "poll_abandoned",
            Self::PollsOverlap => "polls_overlap",
            Self::PostsOverlap => "posts_overlap",
            Self::MalformedBody => "malformed_body",
            Self::BufferFull => "buffer_full",
            Self::Stalled => "stalled",
            Self::Crowded => "buffers_full",
            Self::NoRoom => "no_room",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
