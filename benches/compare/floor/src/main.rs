//! The floor under every server of the comparison: one thread, one loop over epoll, a broadcast is one frame in a log that
//! all connections share, and each connection is written to once for all that has gathered in it. No polling, pings,
//! limits, authentication or namespaces, and whoever breaks the protocol is cut off: nobody could run this, so nobody can
//! expect to be cheaper. Prints `public URL` once it listens; ends with SIGTERM.

mod connection;
mod protocol;

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use connection::{Connection, Gone, Input};
use protocol::Emit;

const LISTENER: Token = Token(usize::MAX);
/// Connections written to between two looks at what has come in: what comes in meanwhile goes out with the rest.
const SLICE: usize = 256;

#[derive(Default)]
struct Server {
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    users: HashMap<String, Vec<usize>>,
    /// Frames for everybody; connections know by offsets how much of it they have.
    log: Vec<u8>,
    /// How much of the log was there before what `log` still holds.
    base: u64,
    /// The next connection that is written to in this round, and whether there is one.
    next: usize,
    writing: bool,
}

impl Server {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> Result<(), Box<dyn Error>> {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nodelay(true)?;
            let at = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            let mut connection = Connection::new(stream);
            poll.registry().register(connection.stream(), Token(at), Interest::READABLE)?;
            self.connections[at] = Some(connection);
        }
        Ok(())
    }

    /// Takes everything a connection has sent.
    fn read(&mut self, at: usize, buffer: &mut [u8]) {
        let Some(mut connection) = self.connections[at].take() else { return };
        let result = loop {
            match connection.read(buffer) {
                Ok(Some(Input::Emit(emit))) => self.emit(emit, at, &mut connection),
                Ok(Some(Input::Connect(user))) => {
                    self.users.entry(user.clone()).or_default().push(at);
                    connection.admit(user, self.base + self.log.len() as u64);
                }
                Ok(None) => break Ok(()),
                Err(Gone) => break Err(Gone),
            }
        };
        match result {
            Ok(()) => self.connections[at] = Some(connection),
            Err(Gone) => self.remove(at, connection.user()),
        }
    }

    fn remove(&mut self, at: usize, user: Option<&str>) {
        self.free.push(at);
        if let Some(user) = user
            && let Some(sockets) = self.users.get_mut(user)
        {
            sockets.retain(|it| *it != at);
            if sockets.is_empty() {
                self.users.remove(user);
            }
        }
    }

    fn emit(&mut self, emit: Emit, at: usize, caller: &mut Connection) {
        if emit.to.all {
            self.log.extend_from_slice(&emit.frame);
            if !self.writing {
                (self.writing, self.next) = (true, 0);
            }
        } else {
            for to in emit.to.users.iter().filter_map(|user| self.users.get(user)).flatten() {
                if *to != at
                    && let Some(connection) = &mut self.connections[*to]
                {
                    connection.catch_up(&self.log, self.base);
                    connection.write(&emit.frame);
                }
            }
        }
        caller.write(protocol::ANSWER);
    }

    /// Writes to the next slice of connections. The end of a round is the begin of the next if something came meanwhile.
    fn write_slice(&mut self) {
        let end = (self.next + SLICE).min(self.connections.len());
        for connection in self.connections[self.next..end].iter_mut().flatten() {
            connection.catch_up(&self.log, self.base);
        }
        self.next = end;
        if end < self.connections.len() {
            return;
        }
        let head = self.base + self.log.len() as u64;
        let behind =
            self.connections.iter().flatten().filter_map(Connection::offset).min().unwrap_or(head);
        self.log.drain(..(behind - self.base) as usize);
        self.base = behind;
        (self.writing, self.next) = (!self.log.is_empty(), 0);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("public http://{}", listener.local_addr()?);
    let mut server = Server::default();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match poll.poll(&mut events, server.writing.then_some(Duration::ZERO)) {
            // A debugger or a profiler has looked in; nothing has happened.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                LISTENER => server.accept(&listener, &poll)?,
                Token(at) => server.read(at, &mut buffer),
            }
        }
        if server.writing {
            server.write_slice();
        }
    }
}
