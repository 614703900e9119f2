use super::{Kind, Metrics, TABLE};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every `counter!("name"` and the like of a file, as macro and name.
fn counted(source: &str) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    for what in ["counter", "gauge", "histogram"] {
        for rest in source.split(&format!("{what}!(")).skip(1) {
            let name = rest.trim_start().strip_prefix('"').and_then(|it| it.split('"').next());
            found.extend(name.map(|name| (what, name.to_owned())));
        }
    }
    found
}

fn counted_under(dir: &Path) -> BTreeSet<(&'static str, String)> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(counted_under(&path));
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            found.extend(counted(&fs::read_to_string(path).unwrap()));
        }
    }
    found
}

#[test]
fn every_metric_of_the_source_is_in_the_table() {
    let source = counted_under(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let described = |kind: Kind| match kind {
        Kind::Counter | Kind::LabelledCounter => "counter",
        Kind::Gauge => "gauge",
    };
    let table: BTreeSet<_> =
        TABLE.iter().map(|it| (described(it.kind), it.name.to_owned())).collect();

    assert!(!source.is_empty(), "found no metric at all: the check itself is broken");
    let lost: Vec<_> = source.difference(&table).collect();
    assert!(lost.is_empty(), "add to TABLE: {lost:?}");
    let counters = table.difference(&source).filter(|(what, _)| *what == "counter");
    assert_eq!(counters.collect::<Vec<_>>(), Vec::<&(&str, String)>::new(), "counted nowhere");
}

#[test]
fn the_table_is_in_order_and_each_line_says_something() {
    assert!(TABLE.is_sorted_by(|a, b| a.name < b.name), "not sorted by name, or a name twice");
    for metric in TABLE {
        assert!(metric.name.starts_with("userline_"), "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}", metric.help);
        let is_counter = matches!(metric.kind, Kind::Counter | Kind::LabelledCounter);
        assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
    }
}

#[test]
fn counters_are_there_as_zero_before_anything_was_counted() {
    let text = Metrics::new().render(&[("userline_users", &[], 3)]);

    assert!(text.contains("\nuserline_audit_removals_total 0\n"), "{text}");
    assert!(text.contains("# TYPE userline_emits_total counter\n"), "{text}");
    assert!(
        text.contains("# HELP userline_users Users online, lingering ones included.\n"),
        "{text}"
    );
    assert!(text.contains("\nuserline_users 3\n"), "{text}");
}
