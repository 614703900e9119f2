//! What is printed.

use super::{BenchFindings, BenchReport, StormFindings};
use crate::bench::fleet::Arrivals;
use crate::bench::measure::{EventCounts, Quantiles, RunCost};
use crate::client::ClientEnd;
use std::time::Duration;

#[test]
fn a_report_has_stable_keys_and_counts_what_it_cost() {
    let arrivals = Arrivals::try_new().unwrap();
    let counts = EventCounts { sent: 10, delivered: 2_000_000, ..EventCounts::default() };
    let cost = RunCost {
        server_cpu: Some(Duration::from_secs(8)),
        rss_kib: Some(5000),
        rss_grown_kib: Some(150),
        ..RunCost::default()
    };
    let findings = BenchFindings {
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

    let report = BenchReport::new(&findings);

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
        EventCounts { lost: 1, ..counts },
        EventCounts { duplicates: 1, ..counts },
        EventCounts { reordered: 1, ..counts },
        EventCounts { misdirected: 1, ..counts },
        EventCounts { failed: 1, ..counts },
    ] {
        assert!(
            !BenchReport::new(&BenchFindings { counts: spoil, ..findings }).is_clean(),
            "{spoil:?}"
        );
    }
    let mut broken = Arrivals::try_new().unwrap();
    broken.ended(0, ClientEnd::Closed("gone".to_owned()));
    assert!(!BenchReport::new(&BenchFindings { arrivals: &broken, ..findings }).is_clean());
    let storm = StormFindings { longest_stall_us: Some(7), bystander_us: None, new_sessions: 0 };
    let report = BenchReport::new(&BenchFindings { storm: Some(storm), ..findings });
    assert!(report.is_clean() && report.text().contains("longest stall 7 µs, 0 sockets"));
    let storm = Some(StormFindings { new_sessions: 1, ..storm });
    assert!(!BenchReport::new(&BenchFindings { storm, ..findings }).is_clean());
}
