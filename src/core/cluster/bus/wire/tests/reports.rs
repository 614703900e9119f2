//! What nodes say of themselves, and of what they remember.

use super::{socket, socket_page, status, users};
use crate::core::cluster::bus::past::{AckFacts, AckTexts, MessageFacts, VisitFacts};
use crate::core::cluster::bus::reports::{NodeFacts, NodeReport, ReportQuery};
use crate::core::cluster::bus::words::UserEmitted;
use crate::core::emit::acks::{AckSummary, MissingAck, SocketAck, WhyNoAck};
use crate::core::ingest::report::{SourceFacts, SourceKind, SourceReport, SourceTrouble};
use crate::types::{UserId, WallMs};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

pub(super) fn report_query() -> impl Strategy<Value = ReportQuery> {
    let user = || "[a-z]{1,9}".prop_map(|it| UserId::parse(&it).unwrap());
    prop_oneof![
        Just(ReportQuery::Node),
        Just(ReportQuery::Sources),
        (option::of((user(), socket_page())), any::<usize>()).prop_map(|(of, limit)| {
            ReportQuery::Messages { of: of.map(|(user, page)| (user, page.sockets)), limit }
        }),
        vec(".{0,9}", 0..3).prop_map(ReportQuery::Acks),
        user().prop_map(ReportQuery::Visits),
    ]
}

fn past() -> impl Strategy<Value = NodeReport> {
    let user = || "[a-z]{1,9}".prop_map(|it| UserId::parse(&it).unwrap());
    let emitted = (status(), any::<usize>(), any::<usize>())
        .prop_map(|(status, matched, sent)| UserEmitted { status, matched, sent });
    let message =
        (".{0,9}", vec(socket(), 0..3), option::of(any::<usize>()), vec((user(), emitted), 0..3))
            .prop_map(|(text, sockets, acked, users)| MessageFacts {
                id: text.clone(),
                at: 7,
                namespace: "/".to_owned(),
                event: text.clone(),
                volatile: true,
                source: Some(text.clone()),
                is_to_all: false,
                rooms: vec![text],
                sockets,
                matched: 9,
                sent: 8,
                acked,
                users,
            });
    let said = vec(vec(any::<u8>(), 0..9), 0..3)
        .prop_map(|buffers| AckTexts { args: "[1]".to_owned(), buffers });
    let ack = (user(), socket(), said).prop_map(|(user, socket, said)| SocketAck {
        user,
        socket,
        took: Duration::from_millis(5),
        answer: Ok(said),
    });
    let missing = (user(), socket()).prop_map(|(user, socket)| MissingAck {
        user,
        socket,
        why: WhyNoAck::TooMany,
    });
    let outcome = (any::<bool>(), vec(ack, 0..3), vec(missing, 0..3), users())
        .prop_map(|(is_met, acks, missing, absent)| AckSummary { is_met, acks, missing, absent });
    let acks =
        option::of(outcome).prop_map(|outcome| AckFacts { at: 1, matched: 2, sent: 3, outcome });
    let visit = (socket(), option::of((any::<u64>(), ".{0,9}")), option::of(any::<u16>()))
        .prop_map(|(id, end, close_code)| VisitFacts {
            id,
            namespace: "/".to_owned(),
            address: "203.0.113.7".to_owned(),
            user_agent: None,
            transport: "polling".to_owned(),
            is_upgraded: false,
            connected_at: 5,
            end,
            silent_ms: 1,
            bytes_in: 2,
            bytes_out: 3,
            pending_bytes: 4,
            ending: None,
            close_code,
        });
    prop_oneof![
        vec(message, 0..3).prop_map(NodeReport::Messages),
        option::of(acks).prop_map(NodeReport::Acks),
        vec(visit, 0..3).prop_map(NodeReport::Visits),
    ]
}

pub(super) fn report() -> impl Strategy<Value = NodeReport> {
    let text = ".{0,9}";
    let texts = || vec(text, 0..3);
    let facts = (text, option::of(text), any::<[usize; 2]>(), any::<bool>(), texts(), texts());
    let facts =
        facts.prop_map(|(name, incarnation, [sockets, users], is_draining, a, b)| NodeFacts {
            host: name.clone(),
            version: name.clone(),
            started_at: 7,
            name,
            incarnation,
            sockets,
            users,
            is_draining,
            endpoints: a,
            sources: b,
        });
    let source = (text, option::of(any::<u64>())).prop_map(|(name, backlog)| {
        let trouble = backlog.map(|at| SourceTrouble {
            at: WallMs(at),
            code: "timeout".into(),
            message: name.clone(),
        });
        let report = SourceReport { backlog, trouble, ..SourceReport::default() };
        SourceFacts { name, kind: SourceKind::RedisStream, report }
    });
    prop_oneof![
        facts.prop_map(NodeReport::Node),
        past(),
        (text, vec(source, 0..3)).prop_map(|(node, sources)| NodeReport::Sources(node, sources)),
    ]
}
