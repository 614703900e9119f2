//! The order rule, by brute force: both sources interleaved, the engine's bytes in pieces of random size.

use super::{Admission, Full, OutboundQueue, Step};
use crate::core::protocol::frame::{self, Content};
use crate::types::Namespace;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::io::IoSlice;

const PLENTY: usize = 1 << 30;

fn text(packet: &str) -> Bytes {
    frame::text(&[packet.as_bytes()])
}

/// A outbound on which the root namespace has been answered.
fn connected() -> OutboundQueue {
    let mut outbound = OutboundQueue::new(text("0{}"), PLENTY);
    assert_eq!(outbound.engine(&text("0{\"sid\":\"secret\"}")), Ok(Step::Done));
    assert_eq!(outbound.engine(&text("40{\"sid\":\"secret\"}")), Ok(Step::Connect("/".to_owned())));
    outbound.push(text("40{\"sid\":\"public\"}")).unwrap();
    assert_eq!(outbound.resume(), Ok(Step::Done));
    drain(&mut outbound);
    outbound
}

/// Takes all that is pending, as the texts of its packets.
fn drain(outbound: &mut OutboundQueue) -> Vec<String> {
    let mut texts = Vec::new();
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = outbound.pending_slices(&mut slices);
    assert_eq!(outbound.only_pending().is_some(), filled == 1);
    let bytes: Vec<u8> = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect();
    outbound.wrote(bytes.len());
    let mut bytes = Bytes::from(bytes);
    while let Some((_, content)) = frame::take(&mut bytes) {
        texts.push(match content {
            Content::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Content::Binary(bytes) => format!("b{}", bytes.len()),
            Content::Close | Content::Other => "-".to_owned(),
        });
    }
    assert!(bytes.is_empty());
    texts
}

#[test]
fn the_client_never_sees_the_engines_session_id() {
    let mut outbound = OutboundQueue::new(text("0{\"sid\":\"ours\"}"), PLENTY);
    let piece =
        [text("0{\"sid\":\"secret\"}"), text("40/a,{\"sid\":\"secret\"}"), text("2")].concat();

    assert_eq!(outbound.engine(&piece), Ok(Step::Connect("/a".to_owned())));
    outbound.push(text("40/a,{\"sid\":\"public\"}")).unwrap();
    assert_eq!(outbound.resume(), Ok(Step::Done));

    assert_eq!(drain(&mut outbound), ["0{\"sid\":\"ours\"}", "40/a,{\"sid\":\"public\"}", "2"]);
}

#[test]
fn refusals_carry_what_was_prepared_and_unknown_namespaces_a_hint() {
    let mut outbound = OutboundQueue::new(text("0{}"), PLENTY);
    let refusal = text("44{\"message\":\"no\",\"data\":{\"code\":\"token_expired\"}}");
    outbound.prepare_refusal(Namespace::root(), refusal);

    outbound.engine(&text("44{\"message\":\"token_expired\"}")).unwrap();
    outbound.engine(&text("44/none,{\"message\":\"Invalid namespace\"}")).unwrap();

    let refused = drain(&mut outbound);
    assert_eq!(refused[0], "44{\"message\":\"no\",\"data\":{\"code\":\"token_expired\"}}");
    assert!(refused[1].starts_with("44/none,{"), "{}", refused[1]);
    assert!(refused[1].contains("\"invalid_namespace\""), "{}", refused[1]);
    assert!(outbound.is_idle(), "a refusal leaves nothing to wait for");
}

#[test]
fn an_event_waits_for_the_packets_that_the_engine_was_given_before_it() {
    let mut outbound = connected();
    outbound.issue();

    assert_eq!(outbound.admit(&text("42[1]")), Admission::Held);
    outbound.engine(&text("2")).unwrap();
    assert_eq!(drain(&mut outbound), ["2"], "a ping releases nothing");
    outbound.engine(&text("430[]")).unwrap();

    assert_eq!(drain(&mut outbound), ["430[]", "42[1]"]);
    assert_eq!(outbound.admit(&text("42[2]")), Admission::Go);
}

#[test]
fn a_packet_that_nobody_announced_holds_nothing_up() {
    let mut outbound = connected();

    outbound.engine(&text("42[0]")).unwrap();

    assert_eq!(outbound.admit(&text("42[1]")), Admission::Go);
}

#[test]
fn attachments_stay_with_their_packet() {
    let mut outbound = connected();
    outbound.issue();
    assert_eq!(outbound.admit(&text("42[1]")), Admission::Held);

    outbound.engine(&text("462-1[]")).unwrap();
    outbound.engine(&frame::binary(&[1])).unwrap();
    assert_eq!(drain(&mut outbound), ["462-1[]", "b1"]);
    outbound.engine(&frame::binary(&[1, 2])).unwrap();

    assert_eq!(drain(&mut outbound), ["b2", "42[1]"]);
}

#[test]
fn the_engines_goodbye_is_noticed() {
    let mut outbound = connected();
    assert!(!outbound.said_goodbye());

    assert_eq!(outbound.engine(&[0x88, 0]), Ok(Step::Done));

    assert!(outbound.said_goodbye());
}

#[test]
fn at_the_bound_nothing_more_is_taken() {
    let event = text("42[1]");
    let mut outbound = OutboundQueue::new(text("0{}"), event.len() * 2);
    outbound.issue();

    assert_eq!(outbound.admit(&event), Admission::Held);
    assert_eq!(outbound.admit(&event), Admission::Held);
    assert_eq!(outbound.admit(&event), Admission::Full);
    assert_eq!(outbound.push(event.clone()), Err(Full));
    assert_eq!(outbound.queued(), event.len() * 2);
    outbound.clear();
    assert_eq!(outbound.queued(), 0);
}

#[test]
fn polls_take_whole_frames_within_their_size_and_at_least_one() {
    let mut outbound = connected();
    for n in 0..3 {
        outbound.push(text(&format!("42[{n}]"))).unwrap();
    }

    assert_eq!(outbound.take_frames(1).len(), 1);
    assert_eq!(outbound.take_frames(1000).len(), 2);
    assert!(outbound.is_clear());
    assert_eq!(outbound.queued(), 0);
}

#[derive(Clone, Debug)]
enum Op {
    /// An event is asked for.
    Event,
    /// An ack with so many attachments is handed to the engine.
    Ack(u8),
    Ping,
    /// The engine writes so many bytes of what it has.
    Engine(usize),
    /// The transport takes so many bytes.
    Transport(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Event),
        2 => (0..3_u8).prop_map(Op::Ack),
        1 => Just(Op::Ping),
        3 => (1..40_usize).prop_map(Op::Engine),
        3 => (1..40_usize).prop_map(Op::Transport),
    ]
}

struct Run {
    outbound: OutboundQueue,
    engine: VecDeque<u8>,
    out: Vec<u8>,
    asked: Vec<String>,
    next: u32,
}

impl Run {
    fn step(&mut self, op: &Op) {
        match *op {
            Op::Event => {
                let packet = format!("42[\"e\",{}]", self.name());
                let event = text(&packet);
                self.asked.push(packet);
                if self.outbound.admit(&event) == Admission::Go {
                    self.outbound.push(event).unwrap();
                }
            }
            Op::Ack(attachments) => {
                let name = self.name();
                let kind =
                    if attachments == 0 { "43".to_owned() } else { format!("46{attachments}-") };
                let packet = format!("{kind}{name}[]");
                self.outbound.issue();
                self.engine.extend(text(&packet));
                self.asked.push(packet);
                for n in 1..=attachments {
                    self.engine.extend(frame::binary(&vec![0; usize::from(n)]));
                    self.asked.push(format!("b{n}"));
                }
            }
            Op::Ping => self.engine.extend(text("2")),
            Op::Engine(n) => {
                let n = n.min(self.engine.len());
                let piece: Vec<u8> = self.engine.drain(..n).collect();
                self.outbound.engine(&piece).unwrap();
            }
            Op::Transport(n) => {
                let mut slices = [IoSlice::new(&[]); 8];
                let filled = self.outbound.pending_slices(&mut slices);
                assert_eq!(self.outbound.only_pending().is_some(), filled == 1);
                let bytes: Vec<u8> =
                    slices[..filled].iter().flat_map(|slice| slice.to_vec()).take(n).collect();
                self.outbound.wrote(bytes.len());
                self.out.extend(bytes);
            }
        }
    }

    fn name(&mut self) -> u32 {
        self.next += 1;
        self.next
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_was_asked_for_first_arrives_first(ops in prop::collection::vec(op(), 0..120)) {
        let mut run = Run { outbound: connected(), engine: VecDeque::new(), out: vec![], asked: vec![], next: 0 };
        for op in &ops {
            run.step(op);
        }
        run.step(&Op::Engine(usize::MAX));
        for _ in 0..run.asked.len() + ops.len() {
            run.step(&Op::Transport(usize::MAX));
        }

        let mut bytes = Bytes::from(run.out);
        let mut arrived = Vec::new();
        while let Some((_, content)) = frame::take(&mut bytes) {
            match content {
                Content::Text(text) if &text[..] == b"2" => {}
                Content::Text(text) => arrived.push(String::from_utf8(text.to_vec()).unwrap()),
                Content::Binary(bytes) => arrived.push(format!("b{}", bytes.len())),
                Content::Close | Content::Other => prop_assert!(false, "unknown frame"),
            }
        }
        prop_assert!(bytes.is_empty(), "half a frame went out");
        prop_assert_eq!(arrived, run.asked);
        prop_assert!(run.outbound.is_idle());
        prop_assert_eq!(run.outbound.queued(), 0);
    }
}
