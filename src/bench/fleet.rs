//! All sockets and publishers of a run, on one thread: thousands of sockets must cost less here than in the server.
//!
//! The sockets have the tokens from 0, the publishers those behind them.

mod arrivals;
mod publisher;
mod stream;

pub(crate) use arrivals::Arrivals;

use crate::bench::error::BenchError;
use crate::bench::load::LoadPlan;
use crate::bench::progress::Progress;
use crate::client::{ClientEnd, ClientNews, ClientSession, ClientStage};
use crate::clock::Clock;
use crate::types::saturating_u64;
use bytes::BytesMut;
use mio::event::Event;
use mio::{Events, Poll, Token};
use publisher::Publisher;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use stream::{QueuedStream, StreamRead};

/// Bytes read at once; also the longest packet that is understood.
const BUFFER_BYTES: usize = 256 * 1024;
/// Readiness taken from the kernel at once.
const EVENTS: usize = 1024;
/// Longest wait for readiness, so that progress and deadlines are looked at.
const WAIT_MAX: Duration = Duration::from_millis(50);

/// Looks at what comes in.
pub(crate) trait FleetObserver {
    /// A packet came to a socket that is ready.
    fn packet(&mut self, socket: usize, packet: &[u8], at: Duration);
    /// A publisher was answered; status 0 if its connection broke instead.
    fn answered(&mut self, publisher: usize, status: u16);
}

/// Looks at nothing.
impl FleetObserver for () {
    fn packet(&mut self, _: usize, _: &[u8], _: Duration) {}
    fn answered(&mut self, _: usize, _: u16) {}
}

/// All sockets and publishers of a run.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) plan: Arc<LoadPlan>,
    pub(crate) clock: Clock,
    pub(crate) arrivals: Arrivals,
    poll: Poll,
    events: Option<Events>,
    buffer: Box<[u8]>,
    sockets: Vec<Option<LoadSocket>>,
    publishers: Vec<Publisher>,
}

#[derive(Debug)]
struct LoadSocket {
    stream: QueuedStream,
    session: ClientSession,
    started: Duration,
}

impl Fleet {
    /// No socket is connected yet. A publisher connects when it first has something to send.
    pub(crate) fn try_new(plan: Arc<LoadPlan>, clock: Clock) -> Result<Self, BenchError> {
        let poll = Poll::new().map_err(BenchError::system("asking the kernel for readiness"))?;
        Ok(Self {
            arrivals: Arrivals::try_new()?,
            poll,
            events: Some(Events::with_capacity(EVENTS)),
            buffer: vec![0; BUFFER_BYTES].into(),
            sockets: std::iter::repeat_with(|| None).take(plan.sockets).collect(),
            publishers: Vec::new(),
            plan,
            clock,
        })
    }

    /// Connects the first `all` sockets, so many at a time; ends when each is ready or refused, or when none of those under
    /// way gets any further.
    pub(crate) fn connect_first(
        &mut self,
        all: usize,
        watch: &mut impl FleetObserver,
        progress: &mut Progress,
    ) -> Result<(), BenchError> {
        let (mut begun, mut settled) = (0, 0);
        let mut last_news = self.clock.elapsed();
        while settled < all {
            while begun < all && begun - settled < self.plan.concurrency {
                self.open(begun);
                begun += 1;
            }
            self.turn(watch, WAIT_MAX)?;
            let now = self.clock.elapsed();
            let before = std::mem::replace(&mut settled, self.arrivals.settled());
            if before < settled {
                last_news = now;
            } else if last_news + self.plan.patience < now {
                self.arrivals.give_up(begun - settled);
                break;
            }
            progress.say(|| format!("{settled} of {all} connected"));
        }
        self.arrivals.has_any()
    }

    /// Begins to connect a socket that is not there.
    pub(crate) fn open(&mut self, index: usize) {
        let started = self.clock.elapsed();
        let address = self.plan.server.address;
        match QueuedStream::connect(address, self.poll.registry(), Token(index)) {
            Ok(mut stream) => {
                stream.out.extend_from_slice(&self.plan.upgrade);
                if let Some(place) = self.sockets.get_mut(index) {
                    *place =
                        Some(LoadSocket { stream, session: ClientSession::default(), started });
                }
            }
            Err(error) => self.arrivals.ended(index, ClientEnd::Refused(error.to_string())),
        }
    }

    /// Lets a socket leave as a client does; it is gone when the server has closed the connection.
    pub(crate) fn leave(&mut self, index: usize) {
        let prefix = &self.plan.prefix;
        if let Some(socket) = self.sockets.get_mut(index).and_then(Option::as_mut) {
            socket.session.leave(prefix, &mut socket.stream.out);
        }
        self.flush(index);
    }

    /// Cuts a socket off, as when its network is gone: without a word, and at once.
    pub(crate) fn cut(&mut self, index: usize) {
        self.end(index, ClientEnd::Left);
    }

    /// Sends whole frames on a socket, if it is ready.
    pub(crate) fn send(&mut self, index: usize, frames: &[u8]) {
        let Some(socket) = self.sockets.get_mut(index).and_then(Option::as_mut) else { return };
        if socket.session.stage() == ClientStage::Ready {
            socket.stream.out.extend_from_slice(frames);
            self.flush(index);
        }
    }

    /// Whether a socket can send and receive.
    pub(crate) fn is_ready(&self, index: usize) -> bool {
        let socket = self.sockets.get(index).and_then(Option::as_ref);
        socket.is_some_and(|socket| socket.session.stage() == ClientStage::Ready)
    }

    /// Waits until something happens, at most for `wait`, and tells `watch` about all of it.
    pub(crate) fn turn(
        &mut self,
        watch: &mut impl FleetObserver,
        wait: Duration,
    ) -> Result<(), BenchError> {
        let Some(mut events) = self.events.take() else { return Ok(()) };
        let polled = self.poll.poll(&mut events, Some(wait.min(WAIT_MAX)));
        for event in &events {
            let Token(token) = event.token();
            match token.checked_sub(self.sockets.len()) {
                None => self.socket_event(token, event, watch),
                Some(publisher) => self.publisher_event(publisher, event, watch),
            }
        }
        self.events = Some(events);
        match polled {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                Err(BenchError::system("waiting for sockets")(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn socket_event(&mut self, index: usize, event: &Event, watch: &mut impl FleetObserver) {
        if event.is_writable() {
            self.flush(index);
        }
        if event.is_readable() || event.is_read_closed() {
            let ended = self.read(index, event.is_read_closed(), watch);
            match ended {
                Ok(()) => self.flush(index),
                Err(ended) => self.end(index, ended),
            }
        }
    }

    fn flush(&mut self, index: usize) {
        let Some(socket) = self.sockets.get_mut(index).and_then(Option::as_mut) else { return };
        if let Err(error) = socket.stream.flush() {
            let ended = socket.session.over(&error.to_string());
            self.end(index, ended);
        }
    }

    fn end(&mut self, index: usize, ended: ClientEnd) {
        if self.sockets.get_mut(index).and_then(Option::take).is_some() {
            self.arrivals.ended(index, ended);
        }
    }

    fn read(
        &mut self,
        index: usize,
        to_end: bool,
        watch: &mut impl FleetObserver,
    ) -> Result<(), ClientEnd> {
        let Self { plan, clock, arrivals, buffer, sockets, .. } = self;
        let Some(socket) = sockets.get_mut(index).and_then(Option::as_mut) else { return Ok(()) };
        let LoadSocket { stream, session, started } = socket;
        loop {
            let Some(held) = session.restore(buffer) else {
                return Err(session.over("a packet is too long to be understood"));
            };
            let room = buffer.get_mut(held..).unwrap_or_default();
            let (n, is_last) = match stream.read(room) {
                Ok(StreamRead::Some(n)) => (n, false),
                Ok(StreamRead::Last(n)) => (n, !to_end),
                Ok(StreamRead::Nothing) => return Ok(()),
                Ok(StreamRead::End) => return Err(session.over("the connection was closed")),
                Err(error) => return Err(session.over(&error.to_string())),
            };
            let at = clock.elapsed();
            let bytes = buffer.get(..held + n).unwrap_or_default();
            let connect = |out: &mut BytesMut| plan.put_connect(index, out);
            session.feed(bytes, connect, &mut stream.out, |heard| match heard {
                ClientNews::Ready => arrivals.ready(index, at.saturating_sub(*started)),
                ClientNews::Packet(packet) => watch.packet(index, packet, at),
            })?;
            if is_last {
                return Ok(());
            }
        }
    }
}

/// Raises the limit of open files as far as the system allows.
pub(crate) fn raise_file_limit(sockets: usize) -> Result<(), BenchError> {
    let files = rlimit::increase_nofile_limit(u64::MAX)
        .map_err(BenchError::system("raising the limit of open files"))?;
    let wanted = saturating_u64(sockets);
    if files < wanted {
        let why = format!("only {files} open files are allowed (ulimit -n)");
        let what = format!("opening {sockets} sockets");
        return Err(BenchError::System { what, error: io::Error::other(why) });
    }
    Ok(())
}
