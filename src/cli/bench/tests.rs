//! The pure parts: templates, markers, sequences, HTTP answers, sessions, `/proc`, reports.

use super::arrivals::Arrivals;
use super::deliveries::{Audience, Deliveries};
use super::endpoint::Endpoint;
use super::fleet::Watch as _;
use super::http::{Answer, Post, answer};
use super::latency::{Latency, Quantiles};
use super::marker::{self, Marker};
use super::meter::Cost;
use super::pace::Pace;
use super::process;
use super::report::{Counts, Findings, Report, Storm};
use super::sequence::{Arrival, Sequence};
use super::session::{Connect, Ended, Heard, Session, Stage};
use super::storm::{Crowd, Witness};
use super::template::{Template, Values};
use crate::core::protocol::frame;
use bytes::BytesMut;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn places_are_filled_and_other_braces_stay() {
    let template =
        Template::from(r#"{"u":"{user}{token}","n":{n},"s":{seq},"d":"{payload}","x":{},"{user"}"#);
    let values = Values { n: 7, user: "ann", token: ".t", seq: 3, payload: b"xyz" };

    assert_eq!(template.text(values), r#"{"u":"ann.t","n":7,"s":3,"d":"xyz","x":{},"{user"}"#);
    assert_eq!(Template::from("").text(values), "");
}

#[test]
fn a_marker_is_found_again_wherever_it_stands() {
    let marker = Marker { stream: 41, seq: 9, at: Duration::from_micros(123_456) };
    let mut payload = Vec::new();
    marker.write(64, &mut payload);

    assert_eq!(payload.len(), 64);
    let packet = [b"42/ns,[\"bench\",\"".as_slice(), &payload, b"\",\"offset\"]"].concat();
    assert_eq!(Marker::find(&packet), Some(marker));
    for other in ["42[\"userline:session\",{}]", "42[\"ub:\"]", "42[\"ub:1:2:\"]", "ub:1::3:", ""] {
        assert_eq!(Marker::find(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn the_longest_marker_fits_its_bound() {
    let marker = Marker { stream: u32::MAX, seq: u32::MAX, at: Duration::from_micros(u64::MAX) };
    let mut payload = Vec::new();
    marker.write(0, &mut payload);

    assert_eq!(payload.len(), marker::BYTES_MAX);
}

proptest! {
    /// The naive model remembers everything.
    #[test]
    fn a_sequence_agrees_with_one_that_remembers_everything(
        arrivals in prop::collection::vec(0_u32..40, 0..120),
        more in 0_u32..5,
    ) {
        let mut sequence = Sequence::default();
        let mut seen = BTreeSet::new();
        for seq in &arrivals {
            let expected = if seen.contains(seq) {
                Arrival::Duplicate
            } else if seen.last().is_some_and(|last| seq < last) {
                Arrival::Late
            } else {
                Arrival::InOrder
            };
            prop_assert_eq!(sequence.take(*seq), expected);
            seen.insert(*seq);
        }
        let sent = seen.last().map_or(0, |last| last + 1) + more;
        let lost = (0..sent).filter(|seq| !seen.contains(seq)).count();
        prop_assert_eq!(sequence.lost(sent), u64::try_from(lost).unwrap());
    }

    /// Whatever is cut, it stays partial until it is whole, and never reads beyond its end.
    #[test]
    fn an_http_answer_may_come_in_pieces(cut in 0_usize..200) {
        let answers = [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n",
            "HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ];
        for text in answers {
            let bytes = text.as_bytes();
            let status = text[9..12].parse().unwrap();
            let whole = Answer::Whole { status, bytes: bytes.len() };
            prop_assert_eq!(answer(bytes), whole);
            prop_assert_eq!(answer(&[bytes, b"HTTP"].concat()), whole);
            if cut < bytes.len() {
                prop_assert_eq!(answer(&bytes[..cut]), Answer::Partial);
            }
        }
    }

    /// A session hears the same, however its bytes are cut.
    #[test]
    fn a_session_hears_the_same_however_the_bytes_are_cut(cuts in prop::collection::vec(1_usize..40, 1..40)) {
        let bytes = greeting();
        let mut session = Session::new();
        let mut out = BytesMut::new();
        let mut heard = Vec::new();
        let (mut rest, mut buffer) = (&bytes[..], vec![0; 4096]);
        for cut in cuts.iter().chain(std::iter::once(&bytes.len())) {
            let held = session.restore(&mut buffer).unwrap();
            let (piece, after) = rest.split_at(*cut.min(&rest.len()));
            rest = after;
            buffer[held..held + piece.len()].copy_from_slice(piece);
            session
                .feed(&buffer[..held + piece.len()], put_connect, &mut out, |it| heard.push(owned(&it)))
                .unwrap();
        }
        prop_assert_eq!(heard, ["ready", "42[\"a\"]", "43/x,7[]"]);
        let mut expected = BytesMut::new();
        put_connect(&mut expected);
        frame::put_client_text(&mut expected, b"3");
        expected.extend_from_slice(&[0x8a, 0x82, 0, 0, 0, 0, b'h', b'i']);
        prop_assert_eq!(out, expected);
    }
}

fn put_connect(out: &mut BytesMut) {
    Connect { prefix: "/x,", auth: b"{\"n\":1}" }.put(out);
}

fn owned(heard: &Heard<'_>) -> String {
    match heard {
        Heard::Ready => "ready".to_owned(),
        Heard::Packet(packet) => String::from_utf8(packet.to_vec()).unwrap(),
    }
}

fn greeting() -> Vec<u8> {
    let mut bytes = Vec::from(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n");
    for text in ["0{\"sid\":\"x\"}", "40/x,{\"sid\":\"y\"}", "42[\"a\"]", "2"] {
        bytes.extend_from_slice(&frame::text(&[text.as_bytes()]));
    }
    bytes.extend_from_slice(&[0x89, 2, b'h', b'i']);
    bytes.extend_from_slice(&frame::binary(b"attachment"));
    bytes.extend_from_slice(&frame::text(&[b"43/x,7[]"]));
    bytes
}

fn feed(session: &mut Session, bytes: &[u8]) -> Result<(), Ended> {
    session.feed(bytes, put_connect, &mut BytesMut::new(), |_| {})
}

#[test]
fn refusals_are_told_in_the_servers_words() {
    let mut refused = Session::new();
    let status = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull";
    let words = "HTTP/1.1 503 Service Unavailable full";
    assert_eq!(feed(&mut refused, status), Err(Ended::Refused(words.to_owned())));

    let mut error = Session::new();
    let mut bytes = Vec::from(b"HTTP/1.1 101 X\r\n\r\n");
    bytes.extend_from_slice(&frame::text(&[b"0{}"]));
    bytes.extend_from_slice(&frame::text(&[b"44/x,{\"message\":\"no\"}"]));
    let words = "/x,{\"message\":\"no\"}";
    assert_eq!(feed(&mut error, &bytes), Err(Ended::Refused(words.to_owned())));
}

#[test]
fn an_end_means_what_the_stage_says() {
    let mut session = Session::new();
    assert!(matches!(session.over("x"), Ended::Refused(_)));
    feed(&mut session, &greeting()).unwrap();
    assert_eq!(session.stage(), Stage::Ready);
    assert!(matches!(session.over("x"), Ended::Closed(_)));
    let disconnected = feed(&mut session, &frame::text(&[b"41/x,"]));
    assert!(matches!(disconnected, Err(Ended::Closed(_))), "{disconnected:?}");
    let closed = feed(&mut session, &[0x88, 0x02, 0x03, 0xe8]);
    assert!(matches!(closed, Err(Ended::Closed(_))), "{closed:?}");

    let mut out = BytesMut::new();
    session.leave("/x,", &mut out);

    let mut expected = BytesMut::new();
    frame::put_client_text(&mut expected, b"41/x,");
    expected.extend_from_slice(&[0x88, 0x80, 0, 0, 0, 0]);
    assert_eq!(out, expected);
    assert_eq!(session.over("x"), Ended::Left);
}

#[test]
fn answers_that_make_no_sense_are_broken() {
    for text in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "hello\r\n\r\n",
    ] {
        assert_eq!(answer(text.as_bytes()), Answer::Broken, "{text}");
    }
}

#[test]
fn a_post_has_its_places_filled_and_its_length() {
    let url = "http://127.0.0.1:9/u/{user}?x=1".parse().unwrap();
    let endpoint = Endpoint::resolve(&url).unwrap();
    let body = Template::from("{\"d\":\"{payload}\"}");
    let post = Post::new(&endpoint, &["x-key: 1".to_owned()], body);
    let (mut scratch, mut out) = (Vec::new(), Vec::new());

    post.render(Values { user: "u1", payload: b"zz", ..Values::default() }, &mut scratch, &mut out);

    let expected = "POST /u/u1?x=1 HTTP/1.1\r\nhost: 127.0.0.1:9\r\nx-key: 1\r\ncontent-length: 10\r\n\r\n{\"d\":\"zz\"}";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert!(Endpoint::resolve(&"https://127.0.0.1/".parse().unwrap()).is_err());
}

#[test]
fn loss_repeats_order_and_strangers_are_told_apart() {
    let mut all = Deliveries::try_new(Audience::Everybody, 2, 2, 2).unwrap();
    let packet = |stream, seq| {
        let mut payload = Vec::new();
        Marker { stream, seq, at: Duration::ZERO }.write(50, &mut payload);
        payload
    };
    for (stream, seq) in [(0, 0), (0, 2), (0, 1), (0, 1), (1, 1), (2, 0)] {
        all.packet(1, &packet(stream, seq), Duration::from_millis(1));
    }

    let Counts { delivered, duplicates, reordered, misdirected, .. } = all.counts;
    assert_eq!((delivered, duplicates, reordered, misdirected), (4, 1, 1, 1));
    assert_eq!(all.lost(1, &[3, 2]), 1);
    assert_eq!(all.lost(0, &[3, 2]), 5);

    let mut one = Deliveries::try_new(Audience::OneUser, 4, 2, 1).unwrap();
    one.packet(3, &packet(1, 0), Duration::ZERO);
    one.packet(2, &packet(1, 0), Duration::ZERO);
    assert_eq!((one.counts.delivered, one.counts.misdirected), (1, 1));
    assert_eq!([0, 1, 2, 3].map(|socket| one.lost(socket, &[0, 1])), [0, 1, 0, 0]);

    one.answered(0, 503);
    assert_eq!((one.counts.failed, one.bad_status), (1, Some(503)));
}

#[test]
fn a_pace_makes_up_for_what_was_missed() {
    let begun = Duration::from_secs(1);
    let mut pace = Pace::new(Some(100), begun);
    let now = begun + Duration::from_millis(25);
    let mut sent = 0;
    while pace.is_due(now) {
        pace.count();
        sent += 1;
    }

    assert_eq!(sent, 3, "at 0, 10 and 20 ms");
    assert!(pace.wait(now) <= Duration::from_millis(5));
    assert!(Pace::new(None, begun).is_due(begun));
}

#[test]
fn cpu_and_memory_are_read_from_the_kernels_words() {
    let stat = "17 (a) b (c) S 1 17 17 0 -1 4194304 100 0 0 0 250 125 9 9 20 0 4 0 1 1 1 1";
    assert_eq!(process::parse_cpu(stat), Some(Duration::from_millis(3750)));
    assert_eq!(process::parse_cpu("17 (a) S 1"), None);
    let status = "Name:\ta\nVmPeak:\t  9 kB\nVmRSS:\t    1234 kB\nThreads:\t4\n";
    assert_eq!(process::parse_rss(status), Some(1234));
    assert_eq!(process::parse_rss("Name:\ta\n"), None);
    assert!(0 < process::Process::own().usage().unwrap().rss_kib);
}

#[test]
fn quantiles_are_exact_to_three_digits() {
    let mut latency = Latency::try_new().unwrap();
    assert_eq!(latency.quantiles(), None);
    for micros in 1..=1000 {
        latency.record(Duration::from_micros(micros));
    }

    let expected = Quantiles { p50: 500, p99: 990, p999: 999, max: 1000 };
    assert_eq!(latency.quantiles(), Some(expected));
}

#[test]
fn a_report_has_stable_keys_and_counts_what_it_cost() {
    let arrivals = Arrivals::try_new().unwrap();
    let counts = Counts { sent: 10, delivered: 2_000_000, ..Counts::default() };
    let cost = Cost {
        server_cpu: Some(Duration::from_secs(8)),
        rss_kib: Some(5000),
        rss_grown_kib: Some(150),
        ..Cost::default()
    };
    let findings = Findings {
        command: "fanout steady",
        sockets: 10,
        connected: 10,
        arrivals: &arrivals,
        counts,
        took: Duration::from_secs(4),
        latency: Some(Quantiles { p50: 1, p99: 2, p999: 3, max: 4 }),
        cost,
        storm: None,
    };

    let report = Report::new(findings);

    assert!(report.is_clean());
    insta::assert_snapshot!(serde_json::to_string(&report).unwrap(), @r#"{"command":"fanout steady","sockets":10,"connected":10,"refused":0,"disconnected":0,"sent":10,"delivered":2000000,"lost":0,"duplicates":0,"reordered":0,"misdirected":0,"failed":0,"seconds":4.0,"per_second":500000.0,"latency_us":{"p50":1,"p99":2,"p999":3,"max":4},"server_cpu_seconds":8.0,"cpu_seconds_per_million":4.0,"rss_kib":5000,"rss_kib_per_connection":15.0,"generator_cpu_seconds":0.0,"trouble":null}"#);
    insta::assert_snapshot!(report.text(), @r"
    fanout steady: 10 of 10 sockets connected, 0 refused, 0 disconnected
    sent 10, delivered 2000000 in 4 s: 500000 per second
    lost 0, duplicates 0, reordered 0, misdirected 0, failed 0
    latency in µs: p50 1, p99 2, p99.9 3, max 4
    server: 8.00 s of CPU, 4 s per million
    server: 5000 KiB resident, 15 per connection
    generator: 0.00 s of CPU
    ");
    for spoil in [
        Counts { lost: 1, ..counts },
        Counts { duplicates: 1, ..counts },
        Counts { reordered: 1, ..counts },
        Counts { misdirected: 1, ..counts },
        Counts { failed: 1, ..counts },
    ] {
        assert!(!Report::new(Findings { counts: spoil, ..findings }).is_clean(), "{spoil:?}");
    }
    let mut broken = Arrivals::try_new().unwrap();
    broken.ended(0, Ended::Closed("gone".to_owned()));
    assert!(!Report::new(Findings { arrivals: &broken, ..findings }).is_clean());
    let storm = Storm { longest_stall_us: Some(7), new_sessions: 0 };
    let report = Report::new(Findings { storm: Some(storm), ..findings });
    assert!(report.is_clean() && report.text().contains("longest stall 7 µs, 0 sockets"));
    let storm = Some(Storm { new_sessions: 1, ..storm });
    assert!(!Report::new(Findings { storm, ..findings }).is_clean());
}

#[test]
fn who_was_offline_has_another_session_afterwards() {
    let mut crowd = Crowd::new(3, Witness::new(2, "", "ping"));
    let mut tell = |socket, packet: &str| crowd.packet(socket, packet.as_bytes(), Duration::ZERO);
    tell(0, r#"42["userline:session",{"expires_at":null,"session":5,"user":"a"},"7"]"#);
    tell(1, r#"42["userline:session",{"session":6}]"#);
    tell(0, r#"42["userline:session",{"session":5}]"#);
    tell(1, r#"42["userline:session",{"session":9}]"#);
    tell(2, r#"42["chat","["userline:session",{"session":1}]"]"#);
    tell(2, r#"42/chat,["userline:session",{"session":1}]"#);
    tell(2, r#"42/chat,["userline:session",{"session":2}]"#);

    let expected = Storm { longest_stall_us: None, new_sessions: 2 };
    assert_eq!(crowd.end(Duration::from_secs(1)), expected);
}
