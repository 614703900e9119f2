//! A WebSocket that goes on to the node that has its connection: bytes are handed on as they come, and nothing is kept.

use crate::connection::stream::{Inlet, Outlet};
use crate::connection::websocket::SwitchedStream;
use futures_util::future::{Either, select};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;
use tokio::io::ReadBuf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Bytes that are handed on at once.
const CHUNK_BYTES: usize = 8 * 1024;
/// How long one direction may go on when the other one has ended.
const HALF_OPEN_MAX: Duration = Duration::from_secs(10);

/// The tunnels that there are. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Tunnels {
    room: Arc<Semaphore>,
    max: usize,
    /// A permit is a tunnel that must end; the one that is open for longest takes it.
    ends: Arc<Semaphore>,
}

impl Tunnels {
    pub(super) fn new(max: usize) -> Self {
        let room = Arc::new(Semaphore::new(max));
        Self { room, max, ends: Arc::new(Semaphore::new(0)) }
    }

    pub(super) fn len(&self) -> usize {
        self.max.saturating_sub(self.room.available_permits())
    }

    /// Room for one more, if there is.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }

    pub(super) fn end_one(&self) {
        self.ends.add_permits(1);
    }

    pub(super) fn end_all(&self) {
        self.ends.close();
    }

    /// Hands on what comes, until one side ends, or it has to end.
    pub(super) async fn run(
        &self,
        client: SwitchedStream,
        owner: SwitchedStream,
        place: OwnedSemaphorePermit,
    ) {
        let up = hand_on(client.inlet, &owner.outlet, &client.early);
        let down = hand_on(owner.inlet, &client.outlet, &owner.early);
        tokio::select! {
            biased;
            () = both(up, down) => {}
            permit = self.ends.acquire() => permit.into_iter().for_each(SemaphorePermit::forget),
        }
        client.outlet.shutdown();
        owner.outlet.shutdown();
        drop(place);
    }
}

/// Waits for both; for the second one not for long.
async fn both(
    up: impl Future<Output = io::Result<()>>,
    down: impl Future<Output = io::Result<()>>,
) {
    let (up, down) = (pin!(up), pin!(down));
    let (first, rest) = match select(up, down).await {
        Either::Left((first, rest)) => (first, Either::Left(rest)),
        Either::Right((first, rest)) => (first, Either::Right(rest)),
    };
    if first.is_ok() {
        drop(tokio::time::timeout(HALF_OPEN_MAX, rest).await);
    }
}

/// Hands on what comes until its end, and then the end.
async fn hand_on(mut from: Inlet, to: &Outlet, early: &[u8]) -> io::Result<()> {
    write(to, early).await?;
    loop {
        // Nothing is held while nothing comes; what is not taken at once is.
        let rest = poll_fn(|cx| {
            let mut chunk = [0; CHUNK_BYTES];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(from.poll_read(cx, &mut read))?;
            let bytes = read.filled();
            if bytes.is_empty() {
                return Poll::Ready(Ok(None));
            }
            let taken = match to.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                taken => taken?,
            };
            Poll::Ready(Ok::<_, io::Error>(bytes.get(taken..).map(<[u8]>::to_vec)))
        })
        .await?;
        let Some(rest) = rest else {
            to.end();
            return Ok(());
        };
        write(to, &rest).await?;
    }
}

async fn write(to: &Outlet, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
