//! What the kernel says, and quantiles.

use super::{Latency, Quantiles, process};
use std::time::Duration;

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
