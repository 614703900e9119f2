//! Lists of many nodes, put together page by page, against all of it at once.

use super::{LingeringPage, merged_rooms, merged_sockets, merged_users, with_lingering};
use crate::core::cluster::bus::words::{ListedUser, RoomEntry, SocketFacts, SocketPage};
use crate::core::page::{Page, Smallest};
use crate::core::presence::session::{PresenceStatus, UserSession};
use crate::presence::UserEntry;
use crate::types::{Namespace, Room, SocketId, UserId};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Counts = BTreeMap<u8, usize>;

fn nodes() -> impl Strategy<Value = Vec<Counts>> {
    vec(btree_map(0_u8..30, 1_usize..5, 0..12), 1..4)
}

fn page_of(all: &Counts, after: Option<u8>, limit: usize) -> Page<(u8, usize)> {
    let mut smallest = Smallest::new(limit);
    let behind = all.iter().filter(|(it, _)| after.is_none_or(|after| after < **it));
    behind.for_each(|(name, count)| smallest.offer(*name, *count));
    smallest.into_page(|it| it)
}

fn sums(nodes: &[Counts]) -> Counts {
    let mut sums = Counts::new();
    for (name, count) in nodes.iter().flatten() {
        *sums.entry(*name).or_default() += count;
    }
    sums
}

fn user(name: u8) -> UserId {
    UserId::parse(&format!("{name:03}")).unwrap()
}

fn session() -> UserSession {
    UserSession::numbered(7000)
}

fn rooms(page: Page<(u8, usize)>) -> Page<RoomEntry> {
    let room = |(name, sockets): (u8, usize)| RoomEntry {
        namespace: Namespace::root(),
        room: Room::parse(&format!("{name:03}")).unwrap(),
        sockets,
    };
    Page { items: page.items.into_iter().map(room).collect(), has_more: page.has_more }
}

/// Asks for one page after the other until there are no more.
fn walk(mut ask: impl FnMut(Option<u8>) -> (Vec<(u8, usize)>, bool)) -> Vec<(u8, usize)> {
    let mut all: Vec<(u8, usize)> = Vec::new();
    loop {
        let (items, has_more) = ask(all.last().map(|(name, _)| *name));
        assert!(!has_more || !items.is_empty(), "the next page begins behind something");
        all.extend(items);
        if !has_more {
            return all;
        }
    }
}

#[test]
fn whoever_lingered_and_is_back_since_the_nodes_looked_is_listed_all_the_same() {
    let (online, lingering) =
        (PresenceStatus::Online(session()), PresenceStatus::Lingering(session()));
    let seen = vec![ListedUser { user: user(2), session: session(), sockets: 3 }];
    let nodes = merged_users(Page::default(), Page { items: seen, has_more: false }, 10);
    let statuses = [online, online, lingering, PresenceStatus::Offline].into_iter().zip(1..);
    let users = statuses.map(|(status, name)| (user(name), status)).collect();
    let page = with_lingering(nodes, &LingeringPage { users, last: None }, 10);
    let listed: Vec<_> =
        page.items.into_iter().map(|it| (it.user, it.status, it.sockets)).collect();
    assert_eq!(listed, [(user(1), online, 0), (user(2), online, 3), (user(3), lingering, 0)]);
}

proptest! {
    #[test]
    fn rooms_of_many_nodes_are_listed_once_with_all_their_sockets(
        nodes in nodes(), limit in 1_usize..6,
    ) {
        let listed = walk(|after| {
            let mut pages = nodes.iter().map(|it| rooms(page_of(it, after, limit)));
            let first = pages.next().unwrap();
            let page = pages.fold(first, |done, page| merged_rooms(done, page, limit));
            let items = page.items.iter().map(|it| (it.room.as_str().parse().unwrap(), it.sockets));
            (items.collect(), page.has_more)
        });
        prop_assert_eq!(listed, sums(&nodes).into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn users_of_many_nodes_are_listed_once_and_those_who_linger_with_them(
        nodes in nodes(), lingering in btree_set(0_u8..30, 0..12), limit in 1_usize..6,
    ) {
        let listed = walk(|after| {
            let mut done = Page::<UserEntry>::default();
            for node in &nodes {
                let page = page_of(node, after, limit);
                let listed = |(name, sockets)| ListedUser { user: user(name), session: session(), sockets };
                let items = page.items.into_iter().map(listed).collect();
                done = merged_users(done, Page { items, has_more: page.has_more }, limit);
            }
            let behind: Vec<u8> =
                lingering.iter().copied().filter(|it| after.is_none_or(|after| after < *it)).collect();
            let shown = &behind[..behind.len().min(limit)];
            let last = shown.last().filter(|_| limit < behind.len()).map(|it| user(*it));
            let status = PresenceStatus::Lingering(session());
            let users = shown.iter().map(|it| (user(*it), status)).collect();
            let page = with_lingering(done, &LingeringPage { users, last }, limit);
            let items = page.items.iter().map(|it| (it.user.as_str().parse().unwrap(), it.sockets));
            (items.collect(), page.has_more)
        });
        let mut expected = sums(&nodes);
        for name in lingering {
            expected.entry(name).or_default();
        }
        prop_assert_eq!(listed, expected.into_iter().collect::<Vec<_>>());
    }
}

fn facts(name: u8, data: usize) -> SocketFacts {
    SocketFacts {
        id: [name; SocketId::BYTES],
        user: String::new(),
        device: None,
        earlier: Vec::new(),
        namespace: String::new(),
        address: String::new(),
        user_agent: None,
        transport: String::new(),
        rooms: Vec::new(),
        connected_at: 0,
        family: None,
        expires_at: None,
        data: Some("x".repeat(data)),
        attached: None,
    }
}

proptest! {
    /// Whatever bytes a node may tell at once, page by page all sockets come, each once and in order.
    #[test]
    fn sockets_come_in_order_though_nodes_tell_only_what_fits(
        nodes in vec(btree_map(0_u8..60, 0_usize..3000, 0..20), 1..4),
        limit in 1_usize..8,
        bytes_max in 0_usize..10_000,
    ) {
        // Each socket is on one node.
        let mut all = BTreeMap::new();
        for (node, sockets) in nodes.iter().enumerate() {
            all.extend(sockets.iter().map(|(name, data)| (*name, (node, *data))));
        }
        let of_node = |node: usize, after: Option<u8>| {
            let behind = all.iter().filter(|(name, (on, _))| *on == node && after < Some(**name));
            let mut sockets: Vec<_> = behind.map(|(name, (_, data))| facts(*name, *data)).collect();
            let has_more = limit < sockets.len();
            sockets.truncate(limit);
            SocketPage { total: 0, sockets, has_more }.cut_to(bytes_max)
        };
        let walked = walk(|after| {
            let pages: Vec<_> = (0..nodes.len()).map(|node| of_node(node, after)).collect();
            let page = merged_sockets(&pages, limit);
            (page.sockets.iter().map(|it| (it.id[0], 0)).collect(), page.has_more)
        });
        let names: Vec<u8> = walked.into_iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names, all.into_keys().collect::<Vec<_>>());
    }
}
