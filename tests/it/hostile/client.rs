//! Clients that say whatever they are told to, and what they hear of it.

pub(super) mod peer;
pub(super) mod poller;

use super::gets::Gets;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peer::{Peer, frame, text};
use poller::{Poller, SEPARATOR};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;

/// How long anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// The round trip that shows that a connection is well, and its ack.
const ROUND_TRIP: (&str, &str) = (r#"4277["userline:ping"]"#, "4377[]");

/// A CONNECT that is refused, and how the refusal begins.
const ASK: (&str, &str) = ("40/nowhere,", "44/nowhere,");

/// What is kept of an answer.
const SAYS_CHARS_MAX: usize = 200;

/// A packet of Engine.IO.
#[derive(Debug, Clone)]
pub(super) enum Packet {
    Text(String),
    Binary(Vec<u8>),
}

/// What comes out of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Text(String),
    Binary(Vec<u8>),
    /// A pong of WebSocket.
    Pong,
    /// The end; with the close frame's code, if it had one.
    End(Option<u16>),
    /// Nothing for a long time.
    Silence,
}

impl Heard {
    fn is_ping(&self) -> bool {
        *self == Self::Text("2".to_owned())
    }

    pub(super) fn begins_with(&self, text: &str) -> bool {
        matches!(self, Self::Text(it) if it.starts_with(text))
    }
}

/// A client by either transport.
#[derive(Debug)]
pub(super) enum Client {
    WebSocket(Peer),
    Polling(Poller),
}

/// The CONNECT of whoever has this token.
pub(super) fn connect(token: &str) -> String {
    format!("40{{\"token\":\"{token}\"}}")
}

impl Client {
    /// One of each transport that has said nothing yet.
    pub(super) async fn both(public: SocketAddr) -> [Self; 2] {
        let peer = Peer::open(public).await;
        [Self::WebSocket(peer), Self::Polling(Poller::open(public).await)]
    }

    /// Joins `/`, and is greeted.
    pub(super) async fn join(mut self, token: &str) -> Self {
        self.say(&connect(token)).await;
        let reply = self.hear().await;
        assert!(reply.begins_with("40{"), "{reply:?}");
        let greeting = self.hear().await;
        assert!(greeting.begins_with("42[\"userline:session\""), "{greeting:?}");
        self
    }

    pub(super) async fn say(&mut self, text: &str) {
        self.send(&[Packet::Text(text.to_owned())]).await;
    }

    /// Sends packets, all at once.
    pub(super) async fn send(&mut self, packets: &[Packet]) {
        match self {
            Self::WebSocket(peer) => {
                let frames = packets.iter().flat_map(|packet| match packet {
                    Packet::Text(it) => text(it),
                    Packet::Binary(it) => frame(0x82, it),
                });
                peer.write(&frames.collect::<Vec<u8>>()).await;
            }
            Self::Polling(poller) => {
                let packets = packets.iter().map(|packet| match packet {
                    Packet::Text(it) => it.clone(),
                    Packet::Binary(it) => format!("b{}", STANDARD.encode(it)),
                });
                let body = packets.collect::<Vec<_>>().join(SEPARATOR);
                drop(poller.post(body.as_bytes()).await);
            }
        }
    }

    /// What comes next; pings are answered.
    pub(super) async fn hear(&mut self) -> Heard {
        loop {
            let heard = self.next().await;
            if !heard.is_ping() {
                return heard;
            }
            self.say("3").await;
        }
    }

    /// What comes next, pings apart. Nothing is sent: a polling session that has ended and was not polled since takes its
    /// time to answer.
    async fn listen(&mut self) -> Heard {
        loop {
            let heard = self.next().await;
            if !heard.is_ping() {
                return heard;
            }
        }
    }

    async fn next(&mut self) -> Heard {
        match self {
            Self::WebSocket(peer) => peer.hear().await,
            Self::Polling(poller) => poller.hear().await,
        }
    }

    async fn end(&mut self) -> Gets {
        let heard = self.listen().await;
        if let Self::Polling(poller) = self {
            // Without this it would be counted until its pings time out.
            poller.poll().await;
        }
        // Who says goodbye first is no matter here.
        let end = told(heard);
        if end == Gets::Closes(1000) { Gets::Ends } else { end }
    }

    /// Says goodbye; else a session without anybody lasts until it is pinged in vain.
    pub(super) async fn leave(&self) {
        if let Self::Polling(poller) = self {
            poller.post(b"1").await;
            poller.poll().await;
        }
    }

    /// What came of what was sent before to a client that has joined `/`. If it is not the end, round trips after it
    /// show that the connection goes on.
    pub(super) async fn judge(&mut self, expected: &Gets) -> Gets {
        if *expected == Gets::Ends {
            return self.end().await;
        }
        let mut noted = None;
        let mut trips = 0;
        self.say(ROUND_TRIP.0).await;
        // The server answers events in no particular order.
        while trips < 2 || (expected.is_answer() && noted.is_none()) {
            let heard = self.hear().await;
            if heard.begins_with(ROUND_TRIP.1) {
                trips += 1;
                self.say(ROUND_TRIP.0).await;
                continue;
            }
            if noted.is_some() && matches!(heard, Heard::Binary(_)) {
                continue; // the buffers of what was noted
            }
            let is_over = matches!(heard, Heard::End(_) | Heard::Silence);
            let told = told(heard);
            if is_over {
                return noted.map_or(told.clone(), |it: Gets| it.then(told));
            }
            noted = Some(told);
        }
        self.leave().await;
        noted.unwrap_or(Gets::Stays)
    }

    /// The same for one that has joined nothing yet; that it may still ask for a namespace shows that the connection goes
    /// on.
    pub(super) async fn judge_early(&mut self, expected: &Gets) -> Gets {
        if *expected == Gets::Ends {
            return self.end().await;
        }
        if let Gets::Then(_, end) = expected
            && **end == Gets::Ends
        {
            let noted = told(self.listen().await);
            return noted.then(self.end().await);
        }
        let noted = if expected.is_answer() { told(self.hear().await) } else { Gets::Stays };
        self.say(ASK.0).await;
        let heard = self.hear().await;
        if !heard.begins_with(ASK.1) {
            return noted.then(told(heard));
        }
        self.leave().await;
        noted
    }
}

fn told(heard: Heard) -> Gets {
    let text = match heard {
        Heard::End(code) => return code.map_or(Gets::Ends, Gets::Closes),
        Heard::Silence => return Gets::Silence,
        Heard::Binary(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let is_known = text.contains("parser_unsupported");
            return if is_known { Gets::refused("parser_unsupported") } else { Gets::says(&text) };
        }
        Heard::Pong => return Gets::Pong,
        Heard::Text(text) => text,
    };
    let json = text.find(['{', '[']).and_then(|at| serde_json::from_str(&text[at..]).ok());
    let json: Value = json.unwrap_or_default();
    let refused = json["data"]["code"].as_str().filter(|_| text.starts_with("44"));
    let acked = json[0]["error"]["code"].as_str().filter(|_| text.starts_with("43"));
    match (refused, acked) {
        (Some(code), _) => Gets::refused(code),
        (None, Some(code)) => Gets::acked(code),
        (None, None) => Gets::Says(text.chars().take(SAYS_CHARS_MAX).collect()),
    }
}
