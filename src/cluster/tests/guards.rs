//! Guards of scripts, taken out one after the other: a test that holds with the shipped scripts has to fail without each.

use crate::cluster::Script;
use std::cell::Cell;
use std::panic::catch_unwind;

/// What stands in scripts, and what stands there instead.
type Guard = (&'static str, &'static str);

/// Some of them.
pub(super) type Guards = &'static [Guard];

thread_local! {
    static TAKEN_OUT: Cell<Option<Guard>> = const { Cell::new(None) };
}

/// A script for a test on this thread: without the guard that is taken out, if it has that.
pub(super) fn guarded(_: Script, text: String) -> String {
    match TAKEN_OUT.get() {
        Some((guard, instead)) => text.replace(guard, instead),
        None => text,
    }
}

/// Takes out one after the other. Fails with those that `test` does not miss.
pub(super) fn each_is_needed(guards: Guards, test: fn()) {
    let is_missed = |guard: &&Guard| {
        let has_it = |it: Script| it.text_for(false).contains(guard.0);
        assert!(Script::ALL.into_iter().any(has_it), "no script has {guard:?}");
        TAKEN_OUT.set(Some(**guard));
        let ended = catch_unwind(test);
        TAKEN_OUT.set(None);
        ended.is_err()
    };
    let needless: Vec<_> = guards.iter().filter(|it| !is_missed(it)).collect();
    assert!(needless.is_empty(), "nothing fails without {needless:#?}");
}
