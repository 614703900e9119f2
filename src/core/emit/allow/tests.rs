use super::AllowList;
use crate::core::emit::audience::Audience;
use crate::core::emit::message::Emit;
use crate::types::{
    EventName, Except, NamePattern, Namespace, Payload, Room, SocketId, Target, UserId,
};
use std::sync::Arc;

fn patterns(texts: &[&str]) -> Vec<NamePattern> {
    texts.iter().map(|it| NamePattern::parse(it).unwrap()).collect()
}

fn list(users: &[&str], rooms: &[&str], events: &[&str]) -> AllowList {
    AllowList { users: patterns(users), rooms: patterns(rooms), events: patterns(events) }
}

fn emit(target: Target, event: &str) -> Emit {
    let audience = Audience { namespace: Namespace::root(), target, except: Except::default() };
    Emit {
        audience: Arc::new(audience),
        event: EventName::parse(event).unwrap(),
        payload: Payload::default(),
        volatile: false,
        source: None,
    }
}

fn users(names: &[&str]) -> Target {
    Target {
        users: names.iter().map(|it| UserId::parse(it).unwrap()).collect(),
        ..Target::default()
    }
}

fn rooms(names: &[&str]) -> Target {
    Target { rooms: names.iter().map(|it| Room::parse(it).unwrap()).collect(), ..Target::default() }
}

#[test]
fn every_name_of_an_emit_must_be_allowed() {
    let socket = SocketId::from_bytes([7; SocketId::BYTES]);
    let own = socket.to_string();
    let everybody = || Target { all: true, ..Target::default() };
    let of_socket = || Target { sockets: vec![socket], ..Target::default() };
    let narrow = list(&["u*"], &["org:*"], &["order:*"]);
    let table = [
        (&narrow, users(&["u1", "u2"]), "order:paid", None),
        (&narrow, users(&["u1", "v1"]), "order:paid", Some("to.users")),
        (&narrow, users(&["u1"]), "orders", Some("event")),
        (&narrow, rooms(&["org:7"]), "order:paid", None),
        (&narrow, rooms(&["org:7", "lobby"]), "order:paid", Some("to.rooms")),
        (&narrow, rooms(&["user:u1"]), "order:paid", None),
        (&narrow, rooms(&["user:v1"]), "order:paid", Some("to.rooms")),
        (&narrow, rooms(&[&own]), "order:paid", Some("to.rooms")),
        (&narrow, of_socket(), "order:paid", Some("to.sockets")),
        (&narrow, everybody(), "order:paid", Some("to.all")),
        (&list(&["*"], &[], &["*"]), of_socket(), "x", None),
        (&list(&["*"], &[], &["*"]), rooms(&[&own]), "x", None),
        (&list(&["*"], &["a*"], &["*"]), everybody(), "x", Some("to.all")),
        (&list(&["*"], &["*"], &["*"]), everybody(), "x", None),
        (&list(&[], &["*"], &["*"]), rooms(&["user:v1"]), "x", Some("to.rooms")),
        (&AllowList::everything(), everybody(), "x", None),
    ];
    for (list, target, event, expected) in table {
        let emit = emit(target, event);
        let refused = list.check(&emit).err().map(|it| it.field);
        assert_eq!(refused, expected, "{list:?} {emit:?}");
    }
}

#[test]
fn rooms_to_join_and_leave_are_those_that_it_may_name() {
    let rooms =
        |names: &[&str]| names.iter().map(|it| Room::parse(it).unwrap()).collect::<Vec<_>>();
    let list =
        AllowList { rooms: vec![NamePattern::parse("org:*").unwrap()], ..AllowList::everything() };

    assert_eq!(list.check_rooms(&rooms(&["org:7", "org:8"])), Ok(()));
    let refused = list.check_rooms(&rooms(&["org:7", "team"])).unwrap_err();
    assert_eq!((refused.field, refused.what.as_str()), ("rooms", "`team`"));
}
