//! Each guard of the scripts of inboxes is missed by a test of them.

use super::random::under_any_schedule_inboxes_are_as_simple_ones_would_be_and_no_number_comes_twice as any_schedule;
use super::{
    a_name_that_is_given_again_counts_once, a_page_has_so_many_bytes_and_one_item_at_least,
    all_inboxes_together_hold_so_many_bytes_and_what_is_there_is_still_answered,
    an_inbox_that_is_looked_at_too_early_stays, no_more_names_are_remembered_than_may_be_asked_for,
    numbers_grow_though_the_clock_was_set_back_and_nobody_knows_which_came_last,
    the_same_emit_is_stored_once_and_another_of_the_same_name_is_a_duplicate,
    to_delete_again_is_answered_as_the_first_time_and_by_another_it_is_not_there,
    what_is_over_and_still_there_takes_no_place_on_a_page,
    what_is_stored_nowhere_takes_no_memory_and_what_is_over_is_let_go,
    what_was_stored_is_found_by_its_emit_and_its_name_as_long_as_that_is_remembered,
};
use crate::cluster::tests::guards::{Guards, each_is_needed};

#[test]
fn what_keeps_an_emit_from_being_stored_twice() {
    let guards: Guards = &[
        ("if name and name.ends > now_ms then", "if false then"),
        ("if name and name.ends > now_ms then", "if name then"),
        ("name.message == emit and 'NEW' or 'DUP'", "'NEW'"),
        ("name.message == emit and 'NEW' or 'DUP'", "'DUP'"),
        ("elseif ARGV[i + 1] == 'check' then", "elseif false then"),
    ];
    each_is_needed(
        guards,
        the_same_emit_is_stored_once_and_another_of_the_same_name_is_a_duplicate,
    );
    let guards: Guards = &[
        ("is_done = redis.call('HGET', box.key, 'gone') == command", "is_done = true"),
        ("is_done = redis.call('HGET', box.key, 'gone') == command", "is_done = false"),
    ];
    each_is_needed(
        guards,
        to_delete_again_is_answered_as_the_first_time_and_by_another_it_is_not_there,
    );
}

#[test]
fn what_bounds_inboxes_and_lets_them_go() {
    let guards: Guards = &[("+ growth > tonumber(ARGV[11])", "+ growth > math.huge")];
    each_is_needed(
        guards,
        all_inboxes_together_hold_so_many_bytes_and_what_is_there_is_still_answered,
    );
    let guards: Guards = &[
        ("redis.call('DECRBY', P .. 'inbox_bytes'", "redis.call('DECRBY', P .. 'x'"),
        ("redis.call('DEL', box.key, box.names)", "redis.call('DEL', box.key)"),
        ("      redis.call('ZREM', P .. 'inboxes', user)", ""),
        ("'inboxes', first[2] or ends, box.user)", "'inboxes', ends, box.user)"),
        ("'inboxes', first[2] or ends, box.user)", "'inboxes', first[2] or '+inf', box.user)"),
    ];
    each_is_needed(guards, what_is_stored_nowhere_takes_no_memory_and_what_is_over_is_let_go);
}

#[test]
fn what_keeps_items_names_and_numbers_right() {
    let guards: Guards = &[
        ("if before and redis.call('ZSCORE', box.unread, before) then", "if before then"),
        ("if redis.call('ZCARD', box.items) > count_max then", "if false then"),
        ("if name and name.gone ~= '' and (name.ends", "if name and (name.ends"),
        ("(name.ends <= now_ms or is_old(box, each_id, count_max))", "true"),
        ("  local seq = text(number)\n  expire(box, count_max)", "  local seq = text(number)"),
        ("then box.min, box.grown = number,", "then box.min, box.grown = 0,"),
        (
            "box.grown = box.grown + item_bytes + name_bytes(id, emit)",
            "box.grown = box.grown + item_bytes",
        ),
        ("math.max(numbers(1), box.rev + 1)", "box.rev + 1"),
        ("if why == 'expired' or why == 'pushed_out' then box.min", "if false then box.min"),
        ("if why == 'expired' or why == 'pushed_out' then box.min", "if true then box.min"),
        ("'k' .. collapse_key) == seq then redis.call", "'k' .. collapse_key) then redis.call"),
        (
            "if is_old(box, id, count_max) then forget(box, id, name)",
            "if true then forget(box, id, name)",
        ),
        ("first[1] and tonumber(first[1]) - 1 or box.head", "box.head"),
        ("local changed = expire(box, count_max)", "local changed = 0"),
        ("if changed > 0 then save", "if true then save"),
    ];
    each_is_needed(guards, any_schedule);
}

#[test]
fn what_keeps_pages_right() {
    let guards: Guards = &[
        ("<= now_ms then gone = 'expired' end", "<= 0 then gone = 'expired' end"),
        ("  min = math.max(min, tonumber(seq) + 1)\n", ""),
        ("if redis.call('ZSCORE', unread, seq) then count = count - 1 end", ""),
        ("  upto = math.max(upto, first)", ""),
        ("    if not is_over[seq] then\n      first =", "    if true then\n      first ="),
        ("  if not is_over[seq] then\n    if #answer", "  if true then\n    if #answer"),
        ("if #answer - 2 == limit then", "if false then"),
    ];
    each_is_needed(guards, any_schedule);
}

#[test]
fn what_is_looked_for_seldom() {
    let guards: Guards = &[
        ("if redis.call('SCARD', key) < 1000 then", "if true then"),
        ("if id ~= emit then place(id, box.user) end", ""),
        ("if tonumber(ends) > now_ms and (emit", "if (emit"),
    ];
    each_is_needed(
        guards,
        what_was_stored_is_found_by_its_emit_and_its_name_as_long_as_that_is_remembered,
    );
    let guards: Guards = &[("math.max(numbers(1), box.rev + 1)", "numbers(1)")];
    each_is_needed(
        guards,
        numbers_grow_though_the_clock_was_set_back_and_nobody_knows_which_came_last,
    );
    let guards: Guards = &[
        ("if bytes > tonumber(ARGV[8]) and #answer > 2 then", "if false then"),
        ("if bytes > tonumber(ARGV[8]) and #answer > 2 then", "if bytes > tonumber(ARGV[8]) then"),
    ];
    each_is_needed(guards, a_page_has_so_many_bytes_and_one_item_at_least);
    let guards: Guards = &[
        ("(name.ends <= now_ms or is_old(box, each_id, count_max))", "(name.ends <= now_ms)"),
        (
            "(name.ends <= now_ms or is_old(box, each_id, count_max))",
            "is_old(box, each_id, count_max)",
        ),
    ];
    each_is_needed(guards, no_more_names_are_remembered_than_may_be_asked_for);
    let guards: Guards = &[
        ("if expired == 0 and ends <= now_ms and", "if expired == 0 and"),
        ("      schedule(box, text(ends))", ""),
    ];
    each_is_needed(guards, an_inbox_that_is_looked_at_too_early_stays);
    let guards: Guards = &[
        ("'LIMIT', 0, limit + 1 + #over)\nelse", "'LIMIT', 0, limit + 1)\nelse"),
        ("-inf', 'LIMIT', 0, limit + 1 + #over)", "-inf', 'LIMIT', 0, limit + 1)"),
    ];
    each_is_needed(guards, what_is_over_and_still_there_takes_no_place_on_a_page);
    let guards: Guards = &[("if old then forget(box, id, old) end", "")];
    each_is_needed(guards, a_name_that_is_given_again_counts_once);
}
