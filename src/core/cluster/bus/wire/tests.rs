mod reports;

use super::{BYTES_MAX, VERSION, WireError, emit, message, read_message, read_reply, reply};
use crate::core::cluster::bus::attaching::{SocketPatch, SocketPatched};
use crate::core::cluster::bus::totals::NodeTotals;
use crate::core::cluster::bus::words::{
    AckNews, AckWords, AskedSocket, BusRequest, Dismissal, EmitCounts, ListedUser, MovedSockets,
    NodeAnswer, NodeMessage, NodeQuery, NodeReply, RoomEntry, SocketFacts, SocketPage, UserEmitted,
};
use crate::core::cluster::seats::SeatName;
use crate::core::control::seats::Standing;
use crate::core::emit::acks::WhyNoAck;
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::core::page::Page;
use crate::core::presence::session::{Grace, PresenceStatus, UserSession};
use crate::types::{
    DeviceId, EventName, Except, FamilyId, Namespace, Payload, Room, Seq, SocketId, SourceName,
    Target, UserId, WallMs,
};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use reports::{report, report_query};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

fn users() -> impl Strategy<Value = Vec<UserId>> {
    vec("[a-zß\u{10348}:]{1,9}".prop_map(|it| UserId::parse(&it).unwrap()), 0..4)
}

fn rooms() -> impl Strategy<Value = Vec<Room>> {
    vec("[a-z:1-9]{1,9}".prop_map(|it| Room::parse(&it).unwrap()), 0..4)
}

fn socket() -> impl Strategy<Value = SocketId> {
    any::<[u8; SocketId::BYTES]>().prop_map(SocketId::from_bytes)
}

fn audience() -> impl Strategy<Value = Audience> {
    let names = || (users(), rooms(), vec(socket(), 0..4));
    let devices = vec("[a-z]{1,5}".prop_map(|it| DeviceId::parse(&it).unwrap()), 0..3);
    let namespace = prop_oneof![Just("/"), Just("/chat")];
    (namespace, names(), any::<bool>(), names(), devices).prop_map(
        |(namespace, (users, rooms, sockets), all, except, devices)| Audience {
            namespace: Namespace::parse(namespace).unwrap(),
            target: Target { users, rooms, sockets, all },
            except: Except { users: except.0, rooms: except.1, sockets: except.2, devices },
        },
    )
}

fn an_emit() -> impl Strategy<Value = Emit> {
    let arg = prop_oneof![Just("null"), Just("{\"b\": 1e400}"), Just("[\"ß\\u0000\", -0.0]")];
    let args = vec(arg.prop_map(|it| RawValue::from_string(it.to_owned()).unwrap()), 0..5);
    let buffers = vec(vec(any::<u8>(), 0..40).prop_map(Bytes::from), 0..3);
    let source = option::of("[a-z]{1,5}".prop_map(|it| SourceName::parse(&it).unwrap()));
    (audience(), "[a-z: ]{1,9}", args, buffers, any::<bool>(), source).prop_filter_map(
        "a reserved name",
        |(audience, name, args, buffers, volatile, source)| {
            Some(Emit {
                audience: Arc::new(audience),
                event: EventName::parse(&name).ok()?,
                payload: Payload::try_new(args).unwrap().with_buffers(buffers),
                volatile,
                source,
            })
        },
    )
}

fn grace() -> impl Strategy<Value = Grace> {
    prop_oneof![Just(Grace::Skip), Just(Grace::Keep)]
}

fn request() -> impl Strategy<Value = BusRequest> {
    let user = "[a-z]{1,9}".prop_map(|it| UserId::parse(&it).unwrap());
    let reason = || option::of(".{0,20}");
    prop_oneof![
        ("[a-z_]{1,9}", an_emit(), option::of(any::<Duration>()))
            .prop_map(|(id, emit, acks)| BusRequest::Emit { id, emit, acks }),
        audience().prop_map(BusRequest::Count),
        (audience(), rooms()).prop_map(|(audience, rooms)| BusRequest::Join { audience, rooms }),
        (audience(), rooms()).prop_map(|(audience, rooms)| BusRequest::Leave { audience, rooms }),
        (audience(), reason(), grace()).prop_map(|(audience, reason, grace)| {
            BusRequest::Disconnect(Dismissal { audience, reason, grace })
        }),
        (user, reason(), grace()).prop_map(|(user, reason, grace)| BusRequest::KickUser {
            user,
            reason,
            grace
        }),
        socket().prop_map(BusRequest::KickSocket),
        query().prop_map(BusRequest::Look),
        socket().prop_map(BusRequest::Replace),
        report_query().prop_map(BusRequest::Report),
        users().prop_filter_map("nobody", |it| it.into_iter().next().map(BusRequest::SeatsOf)),
        ("[a-z]{1,9}", names(), names()).prop_map(|(user, replaced, evicted)| {
            BusRequest::EndSeats { user: UserId::parse(&user).unwrap(), replaced, evicted }
        }),
        "[a-z]{1,9}".prop_map(BusRequest::WakeHooks),
        (socket(), ".{0,20}").prop_map(|(id, patch)| {
            BusRequest::Attach(SocketPatch { socket: id.bytes(), patch })
        }),
        ("[a-z]{1,9}", any::<bool>()).prop_map(|(user, forget)| {
            BusRequest::Erase { user: UserId::parse(&user).unwrap(), forget }
        }),
        ("[a-z]{1,9}", any::<[u8; 16]>(), reason()).prop_map(|(user, family, reason)| {
            let (user, family) = (UserId::parse(&user).unwrap(), FamilyId::from_bytes(family));
            BusRequest::LogOutFamily { user, family, reason }
        }),
    ]
}

fn patched() -> impl Strategy<Value = SocketPatched> {
    prop_oneof![
        Just(SocketPatched::NotHere),
        (socket(), ".{0,20}")
            .prop_map(|(id, attached)| SocketPatched::Attached { socket: id.bytes(), attached }),
        any::<usize>().prop_map(SocketPatched::TooLarge),
    ]
}

fn names() -> impl Strategy<Value = Vec<SeatName>> {
    vec("[a-z_0-9]{1,9}".prop_map(SeatName::from), 0..3)
}

fn query() -> impl Strategy<Value = NodeQuery> {
    let user = || "[a-z]{1,9}".prop_map(|it| UserId::parse(&it).unwrap());
    let room = || "[a-z:]{1,9}".prop_map(|it| Room::parse(&it).unwrap());
    let root = || Just(Namespace::root());
    prop_oneof![
        user().prop_map(NodeQuery::UserSockets),
        users().prop_map(NodeQuery::SocketCounts),
        (root(), room(), option::of(socket()), any::<usize>()).prop_map(
            |(namespace, room, after, limit)| {
                NodeQuery::RoomSockets { namespace, room, after, limit }
            }
        ),
        socket().prop_map(NodeQuery::Socket),
        Just(NodeQuery::Stats),
        (option::of(user()), any::<usize>())
            .prop_map(|(after, limit)| NodeQuery::Users { after, limit }),
        (".{0,9}", option::of((root(), room())), any::<usize>())
            .prop_map(|(prefix, after, limit)| NodeQuery::Rooms { prefix, after, limit }),
    ]
}

fn socket_page() -> impl Strategy<Value = SocketPage> {
    let text = || option::of(".{0,9}");
    let facts = (socket(), text(), vec(".{0,9}", 0..3), any::<u64>(), option::of(any::<u64>()))
        .prop_map(|(id, text, rooms, connected_at, expires_at)| SocketFacts {
            id: id.bytes(),
            user: "ann".to_owned(),
            device: text.clone(),
            earlier: vec![id.bytes(); rooms.len()],
            namespace: "/".to_owned(),
            address: "203.0.113.7".to_owned(),
            user_agent: text.clone(),
            transport: "polling".to_owned(),
            rooms,
            connected_at,
            family: text.clone(),
            expires_at,
            data: text.clone(),
            attached: text,
        });
    (any::<usize>(), vec(facts, 0..4), any::<bool>())
        .prop_map(|(total, sockets, has_more)| SocketPage { total, sockets, has_more })
}

fn a_message() -> impl Strategy<Value = NodeMessage> {
    (option::of(any::<u64>()), request())
        .prop_map(|(question, request)| NodeMessage { question, request })
}

fn status() -> impl Strategy<Value = PresenceStatus> {
    (0..3, any::<u64>(), any::<u64>()).prop_map(|(kind, id, since)| {
        let session = UserSession { id: Seq(id), since: WallMs(since) };
        match kind {
            0 => PresenceStatus::Offline,
            1 => PresenceStatus::Online(session),
            _ => PresenceStatus::Lingering(session),
        }
    })
}

fn answer() -> impl Strategy<Value = NodeAnswer> {
    let user = (status(), any::<usize>(), any::<usize>())
        .prop_map(|(status, matched, sent)| UserEmitted { status, matched, sent });
    let refused = prop_oneof![Just(WhyNoAck::NotSent), Just(WhyNoAck::TooMany)];
    let asked =
        (socket(), "[a-z]{1,9}", option::of(refused)).prop_map(|(socket, user, refused)| {
            AskedSocket { socket, user: UserId::parse(&user).unwrap(), refused }
        });
    let said = vec(vec(any::<u8>(), 0..9).prop_map(Bytes::from), 0..3).prop_map(|buffers| {
        AckWords { args: RawValue::from_string("[1, \"ß\"]".to_owned()).unwrap(), buffers }
    });
    let news = (socket(), option::of(said)).prop_map(|(socket, said)| AckNews { socket, said });
    let listed = ("[a-z]{1,9}", any::<[u64; 2]>(), any::<usize>()).prop_map(
        |(user, [id, since], sockets)| {
            let session = UserSession { id: Seq(id), since: WallMs(since) };
            ListedUser { user: UserId::parse(&user).unwrap(), session, sockets }
        },
    );
    let room = ("[a-z]{1,9}", any::<usize>()).prop_map(|(room, sockets)| {
        let (namespace, room) = (Namespace::root(), Room::parse(&room).unwrap());
        RoomEntry { namespace, room, sockets }
    });
    let counts = any::<[usize; 4]>();
    let moved = |[matched, changed, full, denied]: [usize; 4]| {
        NodeAnswer::Moved(MovedSockets { matched, changed, full, denied })
    };
    let somebody = option::of("[a-z]{1,9}".prop_map(|it| UserId::parse(&it).unwrap()));
    prop_oneof![
        (any::<usize>(), any::<usize>(), vec(user, 0..4), vec(asked, 0..4)).prop_map(
            |(matched, sent, users, asked)| {
                NodeAnswer::Emitted(EmitCounts { matched, sent, users, asked })
            }
        ),
        vec(news, 0..4).prop_map(NodeAnswer::Acked),
        any::<usize>().prop_map(NodeAnswer::Counted),
        counts.prop_map(moved),
        any::<usize>().prop_map(NodeAnswer::Disconnected),
        vec(socket(), 0..4).prop_map(NodeAnswer::Kicked),
        somebody.prop_map(NodeAnswer::KickedSocket),
        socket_page().prop_map(NodeAnswer::Sockets),
        vec(any::<usize>(), 0..4).prop_map(NodeAnswer::Counts),
        (vec(listed, 0..4), any::<bool>())
            .prop_map(|(items, has_more)| NodeAnswer::Users(Page { items, has_more })),
        (vec(room, 0..4), any::<bool>())
            .prop_map(|(items, has_more)| NodeAnswer::Rooms(Page { items, has_more })),
        Just(NodeAnswer::Failed),
        patched().prop_map(NodeAnswer::Attached),
        any::<[usize; 2]>().prop_map(|[sockets, deadlines]| {
            NodeAnswer::Stats(NodeTotals { sockets, deadlines, ..NodeTotals::default() })
        }),
        (
            names(),
            prop_oneof![Just(Standing::Here), Just(Standing::OwesPong), Just(Standing::Leaving)]
        )
            .prop_map(|(names, it)| NodeAnswer::Seats(
                names.into_iter().map(|name| (name, it)).collect()
            )),
        report().prop_map(|it| NodeAnswer::Report(Box::new(it))),
    ]
}

/// One byte is another, is missing, or came in addition.
fn damaged(bytes: &[u8], place: usize, byte: u8, how: u8) -> Vec<u8> {
    let (mut bytes, place) = (bytes.to_vec(), place % bytes.len());
    match how % 4 {
        0 => bytes[place] = byte,
        1 => drop(bytes.remove(place)),
        2 => bytes.insert(place, byte),
        _ => bytes.truncate(place),
    }
    bytes
}

proptest! {
    #[test]
    fn a_request_comes_over_as_it_was(said in a_message()) {
        let written = message(&said).unwrap();
        let read = read_message(&written).unwrap();
        prop_assert_eq!(format!("{:?}", read), format!("{:?}", said));
        if let BusRequest::Emit { id, emit: it, acks } = &said.request {
            prop_assert_eq!(emit(said.question, id, it, *acks).unwrap(), written);
        }
    }

    #[test]
    fn an_answer_comes_over_as_it_was(question in any::<u64>(), answer in answer()) {
        let said = NodeReply { question, answer };
        let read = read_reply(&reply(&said).unwrap()).unwrap();
        prop_assert_eq!(format!("{read:?}"), format!("{said:?}"));
    }

    #[test]
    fn what_is_damaged_is_read_as_something_whole_or_not_at_all(
        said in a_message(), answer in answer(), place in any::<usize>(), byte: u8, how: u8,
    ) {
        if let Ok(read) = read_message(&damaged(&message(&said).unwrap(), place, byte, how)) {
            prop_assert!(read_message(&message(&read).unwrap()).is_ok());
        }
        let said = NodeReply { question: 7, answer };
        if let Ok(read) = read_reply(&damaged(&reply(&said).unwrap(), place, byte, how)) {
            prop_assert!(read_reply(&reply(&read).unwrap()).is_ok());
        }
    }

    #[test]
    fn no_garbage_does_any_harm(garbage in vec(any::<u8>(), 0..200)) {
        for bytes in [garbage.clone(), [vec![VERSION], garbage].concat()] {
            drop(read_message(&bytes));
            drop(read_reply(&bytes));
        }
    }
}

#[test]
fn another_version_is_recognised() {
    let said = NodeMessage {
        question: None,
        request: BusRequest::KickSocket(SocketId::from_bytes([7; SocketId::BYTES])),
    };
    let mut written = message(&said).unwrap().to_vec();
    written[0] = VERSION + 1;
    assert_eq!(read_message(&written).unwrap_err(), WireError::Version(VERSION + 1));
    assert_eq!(read_message(&[]).unwrap_err(), WireError::Garbage);
}

#[test]
fn the_form_is_the_one_that_other_versions_know() {
    let said = NodeMessage {
        question: Some(300),
        request: BusRequest::KickUser {
            user: UserId::parse("ann").unwrap(),
            reason: Some("no".to_owned()),
            grace: Grace::Keep,
        },
    };
    let written = message(&said).unwrap();
    assert_eq!(written, b"\x01\x01\xac\x02\x05\x03ann\x01\x02no\x01"[..]);
}

#[test]
fn nothing_too_large_is_said() {
    let said = NodeReply {
        question: 1,
        answer: NodeAnswer::Kicked(vec![SocketId::from_bytes([0; 15]); BYTES_MAX / 15 + 1]),
    };
    assert_eq!(reply(&said).unwrap_err(), WireError::TooLarge);
}
