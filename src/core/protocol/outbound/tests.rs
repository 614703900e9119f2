//! What the client gets in place of the engine's secrets, and the order rule by brute force: both sources interleaved,
//! the engine's bytes in pieces of random size.

use super::{EngineOutput, OutboundQueue, QueueFull};
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

/// A queue on which the root namespace has been answered.
fn connected() -> OutboundQueue {
    let mut outbound = OutboundQueue::new(text("0{}"), PLENTY);
    assert_eq!(outbound.engine_wrote(&text("0{\"sid\":\"secret\"}")), Ok(EngineOutput::Passed));
    assert_eq!(
        outbound.engine_wrote(&text("40{\"sid\":\"secret\"}")),
        Ok(EngineOutput::ConnectReply("/".to_owned()))
    );
    outbound.push(text("40{\"sid\":\"public\"}")).unwrap();
    assert_eq!(outbound.resume(), Ok(EngineOutput::Passed));
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

    assert_eq!(outbound.engine_wrote(&piece), Ok(EngineOutput::ConnectReply("/a".to_owned())));
    outbound.push(text("40/a,{\"sid\":\"public\"}")).unwrap();
    assert_eq!(outbound.resume(), Ok(EngineOutput::Passed));

    assert_eq!(drain(&mut outbound), ["0{\"sid\":\"ours\"}", "40/a,{\"sid\":\"public\"}", "2"]);
}

#[test]
fn refusals_carry_what_was_prepared_and_unknown_namespaces_a_hint() {
    let mut outbound = OutboundQueue::new(text("0{}"), PLENTY);
    let refusal = text("44{\"message\":\"no\",\"data\":{\"code\":\"token_expired\"}}");
    outbound.prepare_refusal(Namespace::root(), refusal);

    outbound.engine_wrote(&text("44{\"message\":\"token_expired\"}")).unwrap();
    outbound.engine_wrote(&text("44/none,{\"message\":\"Invalid namespace\"}")).unwrap();

    let refused = drain(&mut outbound);
    assert_eq!(refused[0], "44{\"message\":\"no\",\"data\":{\"code\":\"token_expired\"}}");
    assert!(refused[1].starts_with("44/none,{"), "{}", refused[1]);
    assert!(refused[1].contains("\"invalid_namespace\""), "{}", refused[1]);
}

#[test]
fn the_engine_says_goodbye_only_to_who_has_said_it() {
    let mut outbound = connected();
    let goodbye = [&text("1")[..], &[0x88, 0]].concat();

    assert_eq!(outbound.engine_wrote(&goodbye), Ok(EngineOutput::Passed));
    assert!(outbound.is_clear() && !outbound.has_close_frame());
    outbound.expect_close_frame();
    assert_eq!(outbound.engine_wrote(&goodbye), Ok(EngineOutput::Passed));

    assert!(outbound.has_close_frame());
    assert_eq!(drain(&mut outbound), ["-"]);
}

#[test]
fn at_the_bound_nothing_more_is_taken() {
    let event = text("42[1]");
    let mut outbound = OutboundQueue::new(text("0{}"), event.len() * 2);

    assert_eq!(outbound.push(event.clone()), Ok(()));
    assert_eq!(outbound.engine_wrote(&event), Ok(EngineOutput::Passed));
    assert_eq!(outbound.push(event.clone()), Err(QueueFull));
    assert_eq!(outbound.engine_wrote(&event), Err(QueueFull));
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

    assert_eq!(outbound.take_frames(1, 16).len(), 1);
    assert_eq!(outbound.take_frames(1000, 16).len(), 2);
    assert!(outbound.is_clear());
    assert_eq!(outbound.queued(), 0);
}

#[test]
fn an_event_with_many_buffers_spans_polls() {
    let mut outbound = connected();
    let event: Vec<Bytes> =
        (0..20_u8).map(|n| frame::binary(&[n])).chain([text("42[\"next\"]")]).collect();
    outbound.push(event[..20].concat().into()).unwrap();
    outbound.push(event[20].clone()).unwrap();

    let first = outbound.take_frames(1000, 16);
    assert_eq!((first.len(), outbound.queued()), (16, event[16..].concat().len()));
    let second = outbound.take_frames(1000, 16);

    assert_eq!([first, second].concat(), event);
    assert!(outbound.is_clear());
}

#[derive(Clone, Debug)]
enum Op {
    /// An event is sent.
    Event,
    /// The engine has something to say.
    Engine,
    /// The engine writes so many bytes of what it has.
    EngineWrites(usize),
    /// The transport takes so many bytes.
    Transport(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Event),
        2 => Just(Op::Engine),
        3 => (1..40_usize).prop_map(Op::EngineWrites),
        3 => (1..40_usize).prop_map(Op::Transport),
    ]
}

/// The queue, and a model of it: what must arrive, in order.
struct Run {
    outbound: OutboundQueue,
    /// What the engine has not written yet, with the bytes of each packet that are still to be written.
    engine: VecDeque<(String, VecDeque<u8>)>,
    expected: Vec<String>,
    arrived: Vec<u8>,
    next: u32,
}

impl Run {
    fn step(&mut self, op: &Op) {
        match *op {
            Op::Event => {
                let packet = self.packet("event");
                self.outbound.push(text(&packet)).unwrap();
                self.expected.push(packet);
            }
            Op::Engine => {
                let packet = self.packet("engine");
                let bytes = text(&packet).to_vec().into();
                self.engine.push_back((packet, bytes));
            }
            Op::EngineWrites(n) => {
                let mut piece = Vec::new();
                while let Some((packet, bytes)) = self.engine.front_mut() {
                    let len = bytes.len().min(n.saturating_sub(piece.len()));
                    piece.extend(bytes.drain(..len));
                    if !bytes.is_empty() {
                        break;
                    }
                    self.expected.push(packet.clone());
                    self.engine.pop_front();
                }
                assert_eq!(self.outbound.engine_wrote(&piece), Ok(EngineOutput::Passed));
            }
            Op::Transport(n) => {
                let mut slices = [IoSlice::new(&[]); 8];
                let filled = self.outbound.pending_slices(&mut slices);
                assert_eq!(self.outbound.only_pending().is_some(), filled == 1);
                let bytes: Vec<u8> =
                    slices[..filled].iter().flat_map(|slice| slice.to_vec()).take(n).collect();
                self.outbound.wrote(bytes.len());
                self.arrived.extend(bytes);
            }
        }
    }

    fn packet(&mut self, from: &str) -> String {
        self.next += 1;
        format!("42[\"{from}\",{}]", self.next)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whole_frames_arrive_in_the_order_in_which_they_were_complete(
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut run = Run {
            outbound: connected(),
            engine: VecDeque::new(),
            expected: vec![],
            arrived: vec![],
            next: 0,
        };
        for op in &ops {
            run.step(op);
        }
        run.step(&Op::EngineWrites(usize::MAX));
        for _ in 0..=run.expected.len() {
            run.step(&Op::Transport(usize::MAX));
        }

        let mut bytes = Bytes::from(run.arrived);
        let mut arrived = Vec::new();
        while let Some((_, content)) = frame::take(&mut bytes) {
            match content {
                Content::Text(text) => arrived.push(String::from_utf8(text.to_vec()).unwrap()),
                Content::Binary(_) | Content::Close | Content::Other => {
                    prop_assert!(false, "unknown frame");
                }
            }
        }
        prop_assert!(bytes.is_empty(), "half a frame went out");
        prop_assert_eq!(arrived, run.expected);
        prop_assert!(run.outbound.is_clear());
        prop_assert_eq!(run.outbound.queued(), 0);
    }
}
