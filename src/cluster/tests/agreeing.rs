//! Who may come in beside those who are there.

use super::directed::{Bench, needs};
use super::mutants::Mutant;
use super::server::agreement;
use crate::core::cluster::agreement::Term;
use crate::core::cluster::command::{Applied, ReapReason};
use std::time::Duration;

#[test]
fn a_node_that_means_something_else_stays_out_while_others_are_there() {
    needs(Mutant::Agreement, |bench| {
        let node = bench.attach("run", None, "a.1");
        bench.set_up(|it| *it = agreement("20s"));
        let Err(dissent) = bench.try_attach("run", None, "b.1", None) else { return false };
        let differs = [("presence.grace".to_owned(), "10s".to_owned())];
        let is_said = dissent.differs == differs && dissent.lease == Duration::from_secs(15);
        bench.reap(&node, ReapReason::Own);
        let newer = bench.try_attach("run", None, "b.1", None);
        // What is not agreed any more is not what the first one means.
        bench.set_up(|it| *it = agreement("10s"));
        let is_turned = bench.try_attach("run", Some(&node), "a.2", None).is_err();
        is_said && newer.is_ok() && is_turned
    });
}

#[test]
fn a_node_that_beats_is_not_taken_for_what_was_left_of_another_configuration() {
    needs(Mutant::Witness, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        bench.set_up(|it| *it = agreement("20s"));
        let Err(first) = bench.try_attach("run", None, "b.1", None) else { return false };
        bench.apply(&mut node, Vec::new(), &[]);
        let refused = bench.try_attach("run", None, "b.1", Some(&first.witness));
        let Err(second) = refused else { return false };
        let is_told_apart = first.witness != second.witness;
        let other = bench.try_attach("run", None, "b.1", Some(&second.witness));
        // Had it only slept, nobody hears it any more.
        let late = bench.apply(&mut node, Vec::new(), &["late"]);
        is_told_apart && other.is_ok() && late == Applied::Refused
    });
}

#[test]
fn what_only_should_be_the_same_is_said_and_changed_while_others_are_there() {
    let mut bench = Bench::new(None);
    assert_eq!(bench.attach("run", None, "a.1").attached.differs, []);
    bench.set_up(|it| it.should[0].value = "crm".to_owned());
    let said = [("hooks.endpoints".to_owned(), "hook".to_owned())];
    assert_eq!(bench.attach("run", None, "b.1").attached.differs, said);
    assert_eq!(bench.attach("run", None, "c.1").attached.differs, []);
    // A key that a newer version adds is nobody's difference, and one that it does not have any more is nobody's either.
    bench.set_up(|it| it.must.push(Term::shown("new.key", "1")));
    assert!(bench.try_attach("run", None, "d.1", None).is_ok());
    bench.set_up(|it| it.must.retain(|it| it.key == "presence.grace"));
    assert!(bench.try_attach("run", None, "e.1", None).is_ok());
}
