//! The bound, and the order by brute force: a transport that takes pieces of random size.

use super::{OutboundQueue, QueueFull};
use crate::core::protocol::frame::{self, Content};
use bytes::Bytes;
use proptest::prelude::*;
use std::io::IoSlice;

const PLENTY: usize = 1 << 30;

fn text(packet: &str) -> Bytes {
    frame::text(&[packet.as_bytes()])
}

#[test]
fn at_the_bound_nothing_more_is_taken() {
    let event = text("42[1]");
    let mut outbound = OutboundQueue::new(event.len() * 2);

    assert_eq!(outbound.push(event.clone()), Ok(0), "the first needs no memory of the queue");
    let overhead = outbound.push(event.clone()).unwrap();
    assert_eq!(overhead, outbound.overhead());
    assert_eq!(outbound.push(event.clone()), Err(QueueFull));
    assert_eq!(outbound.queued(), event.len() * 2);
    assert_eq!(outbound.clear(), overhead);
    assert_eq!(outbound.queued(), 0);
}

#[test]
fn polls_take_whole_frames_within_their_size_and_at_least_one() {
    let mut outbound = OutboundQueue::new(PLENTY);
    for n in 0..3 {
        outbound.push(text(&format!("42[{n}]"))).unwrap();
    }

    assert_eq!(outbound.take_frames(1, 16).0.len(), 1);
    assert_eq!(outbound.take_frames(1000, 16).0.len(), 2);
    assert!(outbound.is_clear());
    assert_eq!(outbound.queued(), 0);
}

#[test]
fn an_event_with_many_buffers_spans_polls() {
    let mut outbound = OutboundQueue::new(PLENTY);
    let event: Vec<Bytes> =
        (0..20_u8).map(|n| frame::binary(&[n])).chain([text("42[\"next\"]")]).collect();
    outbound.push(event[..20].concat().into()).unwrap();
    outbound.push(event[20].clone()).unwrap();

    let (first, _) = outbound.take_frames(1000, 16);
    assert_eq!((first.len(), outbound.queued()), (16, event[16..].concat().len()));
    let (second, _) = outbound.take_frames(1000, 16);

    assert_eq!([first, second].concat(), event);
    assert!(outbound.is_clear());
}

#[derive(Clone, Debug)]
enum Op {
    /// An event is sent.
    Event,
    /// The transport takes so many bytes.
    Transport(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Event),
        3 => (1..40_usize).prop_map(Op::Transport),
    ]
}

/// The queue, and a model of it: what must arrive, in order.
struct Run {
    outbound: OutboundQueue,
    expected: Vec<String>,
    arrived: Vec<u8>,
    next: u32,
    /// What the queue said that it takes for itself.
    overhead: usize,
}

impl Run {
    fn step(&mut self, op: &Op) {
        match *op {
            Op::Event => {
                self.next += 1;
                let packet = format!("42[{}]", self.next);
                self.overhead += self.outbound.push(text(&packet)).unwrap();
                self.expected.push(packet);
            }
            Op::Transport(n) => {
                let mut slices = [IoSlice::new(&[]); 8];
                let filled = self.outbound.pending_slices(&mut slices);
                assert_eq!(self.outbound.only_pending().is_some(), filled == 1);
                let bytes: Vec<u8> =
                    slices[..filled].iter().flat_map(|slice| slice.to_vec()).take(n).collect();
                self.overhead -= self.outbound.wrote(bytes.len());
                self.arrived.extend(bytes);
            }
        }
        assert_eq!(self.overhead, self.outbound.overhead());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whole_frames_arrive_in_the_order_in_which_they_were_complete(
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let mut run = Run {
            outbound: OutboundQueue::new(PLENTY),
            expected: vec![],
            arrived: vec![],
            next: 0,
            overhead: 0,
        };
        for op in &ops {
            run.step(op);
        }
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
        prop_assert_eq!((run.outbound.queued(), run.overhead), (0, 0));
    }
}
