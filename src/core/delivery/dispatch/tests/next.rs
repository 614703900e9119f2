//! Whose next hook the store is asked for.

use super::{SETTINGS, answer, at, head, ms, user, with};
use crate::core::delivery::decision::{
    AttemptOutcome, DeliveryDecision, DeliveryId, DeliveryVerdict,
};
use crate::core::delivery::dispatch::{DispatchSettings, Offer};

#[test]
fn the_store_looks_for_a_next_hook_only_of_users_who_may_have_one() {
    let mut dispatch = with(DispatchSettings { batch_max: 2, ..SETTINGS }, &["ann", "bob"]);
    dispatch.offer(head(3, "ann"), at(0));

    let request = dispatch.next_request(ms(0)).unwrap();
    let decided = answer(&mut dispatch, &request, AttemptOutcome::Accepted, 5);
    assert_eq!(has_more(&decided), [true, false]);

    dispatch.advance(&user("ann"), Some(head(3, "ann")), at(6));
    dispatch.advance(&user("bob"), None, at(6));
    dispatch.offer(head(4, "bob"), at(6));
    let request = dispatch.next_request(ms(6)).unwrap();
    let decided = answer(&mut dispatch, &request, AttemptOutcome::Accepted, 7);
    assert_eq!(
        has_more(&decided),
        [true, false],
        "ann may have had several, bob's queue is a new one"
    );
}

fn has_more(decided: &[DeliveryDecision]) -> Vec<bool> {
    decided.iter().map(|it| it.has_more).collect()
}

#[test]
fn a_hook_committed_while_the_last_one_settles_is_not_forgotten() {
    let mut dispatch = with(SETTINGS, &["ann"]);
    let request = dispatch.next_request(ms(0)).unwrap();
    answer(&mut dispatch, &request, AttemptOutcome::Accepted, 0);

    // The store has looked for the next head, found none, and only then committed this one.
    assert_eq!(dispatch.offer(head(2, "ann"), at(0)), Offer::Taken);
    let again = dispatch.advance(&user("ann"), None, at(0)).expect("the store is asked again");
    assert_eq!(again.verdict, DeliveryVerdict::Skipped);
    assert_eq!(dispatch.advance(&user("ann"), Some(head(2, "ann")), at(0)), None);

    assert_eq!(dispatch.next_request(ms(0)).unwrap().deliveries, [DeliveryId(2)]);
}
