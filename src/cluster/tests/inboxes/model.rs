//! An inbox as simply as can be.

use super::{COUNT_MAX, KEEP_MS};
use crate::core::inbox::{Gone, InboxState};
use crate::types::ItemSeq;
use std::collections::BTreeMap;

/// What is remembered of a name: number of the item, emit, until when, and why it is gone and whether it was read then.
pub(super) type ModelName = (ItemSeq, String, u64, Option<(Gone, bool)>);

/// An inbox as simply as can be.
#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    pub(super) items: BTreeMap<ItemSeq, ModelItem>,
    pub(super) names: BTreeMap<String, ModelName>,
    pub(super) head: ItemSeq,
    pub(super) read_upto: ItemSeq,
    pub(super) min_seq: ItemSeq,
}

#[derive(Debug, Clone)]
pub(super) struct ModelItem {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) until: u64,
    pub(super) is_read: bool,
}

impl Model {
    pub(super) fn take_out(&mut self, seq: ItemSeq, why: Gone) {
        let item = self.items.remove(&seq).unwrap();
        if matches!(why, Gone::Expired | Gone::PushedOut) {
            self.min_seq = self.min_seq.max(ItemSeq(seq.0 + 1));
        }
        if let Some(name) = self.names.get_mut(&item.id).filter(|it| it.0 == seq) {
            name.3 = Some((why, item.is_read));
        }
    }

    pub(super) fn expire(&mut self, now: u64) {
        let over: Vec<_> =
            self.items.iter().filter(|(_, it)| it.until <= now).map(|(seq, _)| *seq).collect();
        for seq in over {
            self.take_out(seq, Gone::Expired);
        }
    }

    pub(super) fn settle(&mut self) {
        let first = self.items.iter().find(|(_, it)| !it.is_read).map(|(seq, _)| *seq);
        self.read_upto = self.read_upto.max(first.map_or(self.head, |it| ItemSeq(it.0 - 1)));
    }

    pub(super) fn unread(&self) -> u64 {
        u64::try_from(self.items.values().filter(|it| !it.is_read).count()).unwrap()
    }

    /// The numbers, but the revision.
    pub(super) fn state(&self) -> InboxState {
        let Self { head, read_upto, min_seq, .. } = *self;
        InboxState { revision: 0, head, unread: self.unread(), read_upto, min_seq }
    }

    /// Whether the name is known, and it is not only that so many newer ones are.
    pub(super) fn known(&self, id: &str, now: u64) -> Option<&ModelName> {
        self.names.get(id).filter(|it| now < it.2)
    }

    /// Whether the name may be forgotten: its item is gone, and as many items as an inbox has came after it.
    pub(super) fn may_be_forgotten(&self, id: &str) -> bool {
        let (seq, _, _, gone) = &self.names[id];
        let newer = self.names.values().filter(|it| seq < &it.0).count();
        gone.is_some() && COUNT_MAX <= u64::try_from(newer).unwrap()
    }

    pub(super) fn put(
        &mut self,
        (emit, id, key): (&str, &str, &str),
        seq: ItemSeq,
        until: u64,
        now: u64,
    ) {
        self.expire(now);
        let old: Vec<_> = self
            .items
            .iter()
            .filter(|(_, it)| !key.is_empty() && it.key == key && !it.is_read)
            .map(|(seq, _)| *seq)
            .collect();
        for seq in old {
            self.take_out(seq, Gone::Collapsed);
        }
        if self.head == ItemSeq(0) {
            self.min_seq = seq;
        }
        self.head = seq;
        let (id, key) = (id.to_owned(), key.to_owned());
        self.names.insert(id.clone(), (seq, emit.to_owned(), now + KEEP_MS, None));
        self.items.insert(seq, ModelItem { id, key, until, is_read: false });
        while COUNT_MAX < u64::try_from(self.items.len()).unwrap() {
            let (first, _) = self.items.first_key_value().unwrap();
            self.take_out(*first, Gone::PushedOut);
        }
        self.settle();
    }
}
