use super::{Agreement, Strangers, Term};
use crate::core::cluster::command::Dissent;
use crate::types::Timestamp;
use std::time::Duration;

const MS: fn(u64) -> Duration = Duration::from_millis;
const INTERVAL: Duration = Duration::from_millis(100);
const LEASE: Duration = Duration::from_secs(1);

fn dissent(witness: &str, lease: u64) -> Dissent {
    Dissent { witness: witness.into(), lease: MS(lease), differs: Vec::new() }
}

#[test]
fn a_difference_names_both_values_and_never_a_secret() {
    let agreement = Agreement {
        must: vec![Term::shown("presence.grace", "15s"), Term::hidden("cluster.secret", "abc")],
        should: vec![Term::shown("hooks.endpoints", "crm")],
    };
    let theirs = [("presence.grace", "10s"), ("cluster.secret", "def"), ("hooks.endpoints", "")];
    let theirs = theirs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let told: Vec<String> =
        agreement.differences(&theirs).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "presence.grace: 10s there, 15s here",
            "cluster.secret: another one there than here",
            "hooks.endpoints:  there, crm here",
        ]
    );
}

/// Against the rule said plainly: the last looks, none missing, all the same, over the whole longer lease.
#[test]
fn strangers_are_gone_only_if_nothing_of_them_moved_over_a_lease_of_looks() {
    let mut random = 7_u64;
    let mut below = |end: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 11) % end
    };
    let mut gone = 0;
    for _ in 0..300 {
        let (mut strangers, mut now, mut witness) = (Strangers::default(), Timestamp(0), 0);
        let theirs = 500 + below(1000);
        let mut looks: Vec<(Timestamp, u64)> = Vec::new();
        for _ in 0..60 {
            now = now + if below(30) == 0 { MS(301 + below(2000)) } else { MS(100 + below(100)) };
            assert!(strangers.is_due(INTERVAL, now));
            if below(25) == 0 {
                witness += 1;
            }
            strangers.saw(&dissent(&witness.to_string(), theirs), INTERVAL, now);
            looks.push((now, witness));

            let newer = looks.iter().skip(1).map(|it| it.0);
            let gap = looks.iter().zip(newer).rposition(|(it, next)| MS(300) < next.since(it.0));
            let whole = &looks[gap.map_or(0, |it| it + 1)..];
            let same = whole.iter().rev().take_while(|it| it.1 == witness).last().unwrap();
            let is_gone = LEASE.max(MS(theirs)) <= now.since(same.0);
            let expected = is_gone.then(|| witness.to_string());
            assert_eq!(strangers.unmoved(LEASE, now).as_deref(), expected.as_deref());
            assert_eq!(strangers.have_moved(), whole.iter().any(|it| it.1 != witness));
            gone += u64::from(is_gone);
        }
    }
    assert!(1000 < gone, "{gone}");
}
