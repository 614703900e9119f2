//! A book of all nodes, with a copy on each: a change is answered when every living node has it in its copy, and has seen to
//! its sockets.
//!
//! A node is asked to follow as soon as a change is made; one that is not reached finds it by itself, within a second of
//! being able to.

use crate::cluster::{
    Answers, AskedNodes, BookError, Bus, BusError, ClusterBook, MissingNodes, Unattached,
};
use crate::core::cluster::book::{BookName, BookNews, BookWrite};
use crate::core::cluster::bus::words::BusRequest;
use crate::store::ReadError;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use thiserror::Error;

/// How often a node looks whether something has changed that nobody told it.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Changes of which is remembered what they did here, until whoever made them asks.
const DONE_LEN_MAX: usize = 1024;

/// What is recorded cannot be read.
#[derive(Debug, Error)]
pub enum LoadError {
    /// On disk.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// In Redis.
    #[error(transparent)]
    Away(#[from] Unattached),
}

/// The end of a book on this node. `T` is what a change does here.
#[derive(Debug)]
pub struct SharedBook<T> {
    book: ClusterBook,
    name: BookName,
    bus: Bus,
    /// What the latest changes did here, by their numbers.
    done: Mutex<BTreeMap<u64, T>>,
}

impl<T: Default> SharedBook<T> {
    /// The book of this name; other nodes are asked by `bus` to follow.
    pub fn new(book: ClusterBook, name: BookName, bus: Bus) -> Self {
        Self { book, name, bus, done: Mutex::default() }
    }

    /// Reads all of it. Call it before clients can connect.
    pub(super) async fn load(&self, take: impl FnMut(BookNews) -> T) -> Result<(), Unattached> {
        self.book.load(self.noting(take)).await
    }

    /// Takes what is new.
    pub(super) async fn follow(&self, take: impl FnMut(BookNews) -> T) -> Result<(), Unattached> {
        self.book.follow(self.noting(take)).await
    }

    /// As [`ClusterBook::write`]; the other nodes are asked to follow. Returns what the change did here, and their answers to come.
    pub(super) async fn write<E>(
        &self,
        plan: impl FnMut() -> Result<Option<BookWrite>, E>,
        take: impl FnMut(BookNews) -> T,
    ) -> Result<Option<(T, AskedToFollow)>, BookError<E>> {
        let Some(change) = self.book.write(plan, self.noting(take)).await? else { return Ok(None) };
        let asked = self.bus.ask(BusRequest::Follow { book: self.name, change });
        Ok(Some((self.done(change), AskedToFollow(asked, self.bus.others()))))
    }

    /// What a change did here. It is told once.
    pub(super) fn done(&self, change: u64) -> T {
        self.done.lock().remove(&change).unwrap_or_default()
    }

    /// How long whoever asks for a change waits for Redis.
    pub(super) fn write_max(&self) -> Duration {
        self.book.write_max()
    }

    /// How long ago the copy was known to be that of the book.
    pub(super) fn age(&self) -> Duration {
        self.book.lag()
    }

    fn noting(&self, mut take: impl FnMut(BookNews) -> T) -> impl FnMut(BookNews) {
        move |news| {
            let number = if let BookNews::Changed(it) = &news { Some(it.number) } else { None };
            let did = take(news);
            let Some(number) = number else { return };
            let mut done = self.done.lock();
            done.insert(number, did);
            if DONE_LEN_MAX < done.len() {
                done.pop_first();
            }
        }
    }
}

/// The other nodes were asked to follow, as far as that was possible.
#[derive(Debug)]
pub(super) struct AskedToFollow(
    Result<AskedNodes, BusError>,
    std::sync::Arc<[std::sync::Arc<str>]>,
);

impl AskedToFollow {
    /// Waits until all have answered, or the time is over.
    pub(super) async fn answers(self) -> Answers {
        match self.0 {
            Ok(asked) => asked.answers().await,
            // They find the change by themselves.
            Err(_) => Answers {
                answers: Vec::new(),
                missing: MissingNodes {
                    names: self.1.iter().cloned().collect(),
                    is_degraded: false,
                },
            },
        }
    }
}
