//! A book: records that are kept where all nodes agree, with a copy on every node. What is asked is answered by the copy; a
//! change is made where all agree, and only if the node knew all that was recorded of the user.
//!
//! ```text
//!   no copy ──► pages of records ──► changes since the first page ──► a copy ──► changes, as they come
//!      ▲                                                                             │
//!      └──────────── the changes do not go on from what this node knows ─────────────┘
//! ```

use crate::types::UserId;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes in one answer, at most.
pub const CHANGES_MAX: usize = 256;

/// Which book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BookName {
    /// Who is kept out.
    Restrictions,
    /// Who is put into rooms.
    Memberships,
}

impl BookName {
    /// Its name in keys, and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restrictions => "restrictions",
            Self::Memberships => "memberships",
        }
    }
}

/// What is asked of a book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookQuestion {
    /// Which one.
    pub book: BookName,
    /// What is asked.
    pub what: BookAsk,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookAsk {
    /// Some of the records.
    Records {
        /// Where the page before ended; 0: nowhere yet.
        cursor: u64,
    },
    /// What has changed, and to change something.
    Changes {
        /// The number of the last change that the asker knows.
        known: u64,
        /// What it changes, if that goes on from what it knows.
        write: Option<BookWrite>,
    },
}

/// A change that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookWrite {
    /// Of whose records.
    pub user: UserId,
    /// Names the change: asked for twice, it is made once.
    pub name: Arc<str>,
    /// What nodes have to know of it besides.
    pub note: &'static str,
    /// The records, each with what it is from now on; `None`: it goes.
    pub records: Vec<(String, Option<Bytes>)>,
    /// Records that there may be in all.
    pub records_max: usize,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookChange {
    /// Its number; a later one has a higher one.
    pub number: u64,
    /// The name that whoever made it gave it.
    pub name: Arc<str>,
    /// What nodes have to know of it besides.
    pub note: Arc<str>,
    /// The records, each with what it is from now on; `None`: it is gone.
    pub records: Vec<(String, Option<Bytes>)>,
}

/// The answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookReply {
    /// To [`BookAsk::Records`].
    Records {
        /// The number of the last change, as the page was read.
        last: u64,
        /// Where the next page begins; 0: there is none.
        cursor: u64,
        /// Some records. Others of the same time may be on other pages, some on two.
        records: Vec<(String, Bytes)>,
    },
    /// To [`BookAsk::Changes`].
    Changes {
        /// What became of the question.
        outcome: BookOutcome,
        /// Changes behind the one that the asker knows, in order; at most [`CHANGES_MAX`].
        changes: Vec<BookChange>,
    },
}

/// What became of a question for changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookOutcome {
    /// It was answered; what was to be written is among the changes.
    Done,
    /// Nothing was written, because the asker did not know all of the user, or not all changes are said yet.
    Behind,
    /// Nothing was written, because there are as many records as allowed.
    Full,
    /// The change that the asker knows is not one of this book any more: it has to read all of it.
    Again {
        /// Whether the book cannot have been this one when that change was made: changes are lost. Else it may only be long ago.
        is_lost: bool,
    },
}

/// What comes of a book, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BookNews {
    /// These are all records, whatever was known before.
    Loaded(BTreeMap<String, Bytes>),
    /// This has changed.
    Changed(BookChange),
}

/// How far a reader is after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookProgress {
    /// There is more to ask.
    More,
    /// The copy was that of the book when it answered.
    Current,
    /// The same, and the change was made, under this number.
    Written(u64),
    /// There is no room for the change.
    Full,
    /// The copy does not go on, and all is read anew.
    Again {
        /// Whether changes are lost for sure.
        is_lost: bool,
    },
}

/// Keeps up with a book.
#[derive(Debug, Default)]
pub struct BookReader {
    /// The last change in the copy; `None`: there is no copy that goes on.
    known: Option<u64>,
    loading: Loading,
}

/// A copy in the making.
#[derive(Debug, Default)]
struct Loading {
    /// The last change that is surely in `records`.
    since: Option<u64>,
    cursor: u64,
    /// Whether all pages are there.
    is_whole: bool,
    records: BTreeMap<String, Bytes>,
}

impl BookReader {
    /// What is asked next, to keep up or to make a change. While there is no copy, the change is not asked for.
    pub fn ask(&self, write: Option<&BookWrite>) -> BookAsk {
        if let Some(known) = self.known {
            return BookAsk::Changes { known, write: write.cloned() };
        }
        match (self.loading.since, self.loading.is_whole) {
            (Some(known), true) => BookAsk::Changes { known, write: None },
            (_, _) => BookAsk::Records { cursor: self.loading.cursor },
        }
    }

    /// What an answer means. `write` is what was asked for with it.
    pub fn take(
        &mut self,
        write: Option<&BookWrite>,
        reply: BookReply,
    ) -> (Vec<BookNews>, BookProgress) {
        match reply {
            BookReply::Records { last, cursor, records } => {
                self.loading.since.get_or_insert(last);
                self.loading.records.extend(records);
                self.loading.cursor = cursor;
                self.loading.is_whole = cursor == 0;
                (Vec::new(), BookProgress::More)
            }
            BookReply::Changes { outcome: BookOutcome::Again { is_lost }, .. } => {
                let had_copy = self.known.is_some();
                *self = Self::default();
                let again = BookProgress::Again { is_lost };
                (Vec::new(), if had_copy { again } else { BookProgress::More })
            }
            BookReply::Changes { outcome, changes } => {
                let is_all = changes.len() < CHANGES_MAX;
                let has_name = |it: &&BookChange| write.is_some_and(|own| own.name == it.name);
                let written = changes.iter().find(has_name).map(|it| it.number);
                let was_loading = self.known.is_none();
                let news = self.changed(changes, is_all);
                let progress = match (outcome, written) {
                    (_, Some(number)) => BookProgress::Written(number),
                    (BookOutcome::Full, None) => BookProgress::Full,
                    (_, None) if is_all && (write.is_none() || was_loading) => {
                        BookProgress::Current
                    }
                    (_, None) => BookProgress::More,
                };
                (news, progress)
            }
        }
    }

    fn changed(&mut self, changes: Vec<BookChange>, is_all: bool) -> Vec<BookNews> {
        if let Some(known) = self.known.as_mut() {
            *known = changes.last().map_or(*known, |it| it.number);
            return changes.into_iter().map(BookNews::Changed).collect();
        }
        for change in changes {
            self.loading.since = Some(change.number);
            for (record, value) in change.records {
                match value {
                    Some(value) => self.loading.records.insert(record, value),
                    None => self.loading.records.remove(&record),
                };
            }
        }
        if !is_all {
            return Vec::new();
        }
        let Loading { since, records, .. } = std::mem::take(&mut self.loading);
        self.known = since;
        vec![BookNews::Loaded(records)]
    }
}
