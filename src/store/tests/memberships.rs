//! What is recorded of users and rooms, over a restart.

use super::{hooks, open, user};
use crate::core::rooms::memberships::{MembershipChange, Memberships, Standing};
use crate::types::{Namespace, Room, WallMs};
use tempfile::TempDir;

fn change(
    name: &str,
    room: &str,
    namespace: Option<&str>,
    to: Option<Standing>,
) -> MembershipChange {
    MembershipChange {
        user: user(name),
        room: Room::parse(room).unwrap(),
        namespace: namespace.map(|it| Namespace::parse(it).unwrap()),
        is_whole: namespace.is_none(),
        standing: to,
    }
}

#[tokio::test]
async fn what_was_changed_is_there_after_a_restart_as_in_memory() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let member = |until| Some(Standing::Member { until });
    let denied = Some(Standing::Denied);
    let changes = [
        change("ann", "a", None, member(None)),
        change("ann", "a", Some("/chat"), denied),
        change("ann", "b", Some("/"), member(Some(WallMs(9)))),
        change("ann", "b", Some("/"), member(Some(WallMs(10)))),
        change("bob", "a", Some("/chat"), member(None)),
        change("bob", "a", None, denied),
        change("eve", "a", Some("/chat"), denied),
        change("eve", "a", None, None),
        MembershipChange { is_whole: false, ..change("ann", "c", None, member(None)) },
        MembershipChange { is_whole: false, ..change("ann", "c", None, None) },
    ];
    let mut known = Memberships::default();
    let records = store.memberships();
    for it in changes {
        known.apply(it.clone());
        records.put(it).await.unwrap();
    }
    store.close().await;

    let (store, _) = open(&dir, &hooks(&[]));
    let mut read = Memberships::default();
    for it in store.memberships().all().await.unwrap() {
        read.apply(it);
    }
    assert_eq!((read.len(), known.len()), (4, 4));
    let rooms = ["a", "b"].map(|it| Room::parse(it).unwrap());
    for (namespace, now, max, expected) in
        [("/", 9, 9, 1), ("/chat", 9, 9, 1), ("/", 9, 0, 1), ("/chat", 11, 9, 1)]
    {
        let namespace = Namespace::parse(namespace).unwrap();
        let records = store.memberships();
        let members = records.members(&rooms, &namespace, WallMs(now), max).await.unwrap();
        assert_eq!(members.len(), expected, "{namespace} {now}");
    }
    for name in ["ann", "bob", "eve"] {
        let name = user(name);
        assert_eq!(read.list(&name, WallMs(0)), known.list(&name, WallMs(0)));
    }
}
