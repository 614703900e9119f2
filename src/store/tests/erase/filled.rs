//! A store in which two users are everywhere.

use super::{ANN, BOB};
use crate::core::control::restrictions::Restriction;
use crate::core::delivery::decision::DeliveryId;
use crate::core::inbox::{Naming, NewItem, Put, Putting, SeenItems};
use crate::core::rooms::memberships::{MembershipChange, Standing};
use crate::store::tests::hooks::{dead, delivered};
use crate::store::tests::inbox::plain;
use crate::store::tests::undelivered::undelivered;
use crate::store::tests::{
    KEEP, NOW, config, hooks, offline, online, record, resume, sockets, user,
};
use crate::store::{Attaching, Store};
use crate::types::{Change, ItemId, ItemSeq, Portrait, Room, Seq, Undelivered, UserId, WallMs};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// A store in which both users are in every table: online, with events, hooks in every state, and items.
pub(super) async fn filled(dir: &TempDir) -> Store {
    let mut hooks = hooks(&["a", "b"]);
    hooks.endpoints[0].events.push(Undelivered::HOOK_TYPE.to_owned());
    hooks.sockets = true;
    let (store, _) = Store::open(&config(dir, KEEP), &hooks).unwrap();
    let outbox = store.outbox();
    // Somebody was erased before, so that these tables have rows as well.
    put(&store, "eve", plain("1")).await;
    store.erase(&user("eve"), None).await.unwrap();
    for (name, seq) in [(ANN, 10), (BOB, 20)] {
        record(&store, online(name, seq)).await;
        record(&store, offline(name, seq + 1, seq)).await;
        let granted = Some(format!(r#""rooms":[],"data":"{name}""#).into());
        let portrait = Portrait { granted, attached: None };
        record(&store, Change { portrait, ..online(name, seq + 2) }).await;
        let attached = format!(r#"{{"name":"{name}"}}"#).into();
        let to = Attaching { user: user(name), session: Seq(seq + 2), attached };
        store.presence().reserve().await.unwrap().attach(to).await.unwrap();
        let came = sockets::came(name, seq + 4);
        store.presence().reserve().await.unwrap().record_all(vec![came]);
        store.flush().await.unwrap();
        outbox.undelivered(vec![undelivered(name, seq + 3)]).await.unwrap();
        for id in ["one", "two", "three"] {
            put(&store, name, given(id)).await;
        }
        let restriction = Restriction { not_before: Some(WallMs(NOW)), ..Restriction::default() };
        store.restrictions().put(&user(name), restriction).await.unwrap();
        let member = MembershipChange {
            user: user(name),
            room: Room::parse("r").unwrap(),
            namespace: None,
            is_whole: true,
            standing: Some(Standing::Denied),
        };
        store.memberships().put(member).await.unwrap();
        resume::fill(&store, name, seq).await;
        let inboxes = store.inboxes();
        inboxes.mark(&user(name), SeenItems::Upto(ItemSeq(1)), WallMs(0)).await.unwrap();
        inboxes.delete(&user(name), ItemSeq(2), WallMs(0)).await.unwrap();
    }
    let a = outbox.endpoint("a").unwrap();
    let ends: BTreeMap<UserId, Vec<_>> =
        outbox.pending(a, DeliveryId(0), 100).await.unwrap().into_iter().fold(
            BTreeMap::new(),
            |mut all: BTreeMap<_, Vec<_>>, it| {
                all.entry(it.user.clone()).or_default().push(it);
                all
            },
        );
    for hooks in ends.values() {
        outbox.settle(a, vec![delivered(&hooks[0]), dead(&hooks[1])]).await.unwrap();
    }
    let b = outbox.endpoint("b").unwrap();
    for hook in outbox.pending(b, DeliveryId(0), 100).await.unwrap() {
        outbox.settle(b, vec![delivered(&hook)]).await.unwrap();
    }
    store
}

pub(super) fn given(id: &str) -> NewItem {
    NewItem { id: ItemId::parse(id).unwrap(), naming: Naming::Given, ..plain("1") }
}

pub(super) async fn put(store: &Store, name: &str, item: NewItem) -> Put {
    let users = [(user(name), Putting::Store)];
    store.inboxes().put(item, &users).await.unwrap().remove(0).unwrap()
}
