//! Seats: whoever asks at the same time on whichever nodes, a user never has more of them than allowed.

use super::guards::{Guards, each_is_needed, guarded};
use super::parts::Random;
use super::random::number;
use super::server::{TestRedis, place};
use crate::cluster::{ClusterPlace, reply};
use crate::core::cluster::command::{Command, Reply};
use crate::core::cluster::seats::{SeatClaim, SeatMark, SeatQuestion, SeatReply, SeatRoom};
use crate::types::UserId;
use std::collections::BTreeSet;
use std::time::Duration;

const KEPT_FOR: Duration = Duration::from_mins(1);

struct Hall {
    redis: TestRedis,
    place: ClusterPlace,
    now_us: u64,
}

impl Hall {
    fn new() -> Self {
        let now_us = 1_700_000_000_000_000;
        let mut it = Self { redis: TestRedis::start(guarded), place: place(), now_us };
        (0..3).for_each(|node| it.comes(node));
        it
    }

    fn ask(&mut self, question: SeatQuestion) -> SeatReply {
        self.now_us += 1;
        let command = Command::Seats(question);
        let value = self.redis.run(&self.place.call(&command), self.now_us);
        let Reply::Seats(answer) = reply(&command, &value).unwrap() else { panic!() };
        answer
    }

    fn take(&mut self, claim: &SeatClaim) -> SeatReply {
        self.ask(SeatQuestion::Take(claim.clone()))
    }

    fn free(&mut self, user: &UserId, seat: &str) {
        let free = SeatQuestion::Free(vec![(user.clone(), seat.into())]);
        assert_eq!(self.ask(free), SeatReply::Freed);
    }

    fn comes(&mut self, node: usize) {
        let key = self.place.key("nodes");
        let _new: u64 = self.redis.ask(&["HSET", &key, &format!("n{node}.1"), "0"]);
    }

    fn goes(&mut self, node: usize) {
        let key = self.place.key("nodes");
        let _gone: u64 = self.redis.ask(&["HDEL", &key, &format!("n{node}.1")]);
    }
}

fn claim(user: &str, seat: &str, node: usize, max: usize, room: SeatRoom) -> SeatClaim {
    SeatClaim {
        user: UserId::parse(user).unwrap(),
        seat: seat.into(),
        node: format!("n{node}").into(),
        since: None,
        max,
        room,
        kept_for: KEPT_FOR,
        replaces: None,
        free: Vec::new(),
        marks: vec![SeatMark::Socket(format!("sock_{seat}").into())],
    }
}

fn of_device(device: &str, claim: SeatClaim) -> SeatClaim {
    let mut marks = vec![SeatMark::Device(device.into())];
    marks.extend(claim.marks);
    SeatClaim { marks, ..claim }
}

/// The seats that had to go; `None`: there was none to be had.
fn gone(reply: SeatReply) -> Option<(Vec<String>, Vec<String>)> {
    let names = |it: Vec<_>| it.iter().map(ToString::to_string).collect();
    match reply {
        SeatReply::Taken { replaced, evicted, .. } => Some((names(replaced), names(evicted))),
        SeatReply::Full(_) | SeatReply::Freed => None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what `gone` answers is compared with it")]
fn pair(replaced: &[&str], evicted: &[&str]) -> Option<(Vec<String>, Vec<String>)> {
    let names = |it: &[&str]| it.iter().map(ToString::to_string).collect();
    Some((names(replaced), names(evicted)))
}

#[test]
fn where_all_are_taken_a_newcomer_has_what_its_client_left_behind_or_its_device_or_the_oldest() {
    let mut hall = Hall::new();
    let two = |seat, node, room| claim("ann", seat, node, 2, room);
    let (own, oldest) = (SeatRoom::ItsOwn, SeatRoom::Oldest);
    assert_eq!(gone(hall.take(&of_device("d*[", two("a", 0, own)))), pair(&[], &[]));
    assert_eq!(gone(hall.take(&two("b", 1, own))), pair(&[], &[]));
    assert_eq!(gone(hall.take(&two("b", 1, own))), pair(&[], &[]), "asked twice");
    let SeatReply::Full(taken) = hall.take(&two("c", 2, own)) else { panic!() };
    let taken: Vec<(&str, &str)> = taken.iter().map(|it| (&*it.seat, &*it.node)).collect();
    assert_eq!(taken, [("a", "n0"), ("b", "n1")]);
    assert_eq!(gone(hall.take(&of_device("d", two("c", 2, own)))), None, "another device");
    assert_eq!(gone(hall.take(&of_device("d*[", two("c", 2, own)))), pair(&[], &["a"]));
    let back = SeatClaim { replaces: Some(SeatMark::Socket("sock_c".into())), ..two("d", 0, own) };
    assert_eq!(gone(hall.take(&back)), pair(&["c"], &[]));
    assert_eq!(gone(hall.take(&two("e", 0, oldest))), pair(&[], &["b"]));
    assert_eq!(gone(hall.take(&two("f", 0, SeatRoom::None))), None);
    assert_eq!(gone(hall.take(&claim("bob", "x", 0, 2, own))), pair(&[], &[]), "of another user");
    let found_free = SeatClaim { free: vec!["d".into()], ..two("g", 1, own) };
    assert_eq!(gone(hall.take(&found_free)), pair(&[], &[]));
    // The limit is lower now.
    let one = claim("ann", "h", 0, 1, oldest);
    assert_eq!(gone(hall.take(&one)), pair(&[], &["e", "g"]));
}

#[test]
fn seats_of_a_node_that_is_gone_are_free_and_it_has_them_again_only_if_there_is_room() {
    let mut hall = Hall::new();
    let mut ghost = claim("ann", "a", 1, 1, SeatRoom::ItsOwn);
    let SeatReply::Taken { since, .. } = hall.take(&ghost) else { panic!() };
    ghost.since = Some(since);
    ghost.room = SeatRoom::None;
    hall.goes(1);
    assert_eq!(gone(hall.take(&claim("ann", "b", 0, 1, SeatRoom::ItsOwn))), pair(&[], &[]));
    hall.comes(1);
    assert_eq!(gone(hall.take(&ghost)), None, "another has it");
    hall.free(&ghost.user, "b");
    let SeatReply::Taken { since: again, .. } = hall.take(&ghost) else { panic!() };
    assert_eq!(again, since, "it is as old as it was");
    let ttl: u64 = hall.redis.ask(&["PTTL", "userline:{test}:seats:ann"]);
    assert!((1..=60_000).contains(&ttl), "{ttl}");
}

/// Who has a seat, as a model knows it.
#[derive(Debug, Clone, PartialEq)]
struct Seat {
    name: String,
    node: usize,
    device: Option<usize>,
}

/// The seats that go for one that is asked for, as the rule says; `None`: there is none to be had.
fn expected(
    seats: &[Seat],
    asked: &Seat,
    replaces: Option<&str>,
    (max, room): (usize, SeatRoom),
) -> Option<(Vec<String>, Vec<String>)> {
    if seats.iter().any(|it| it.name == asked.name) {
        return pair(&[], &[]);
    }
    let excess = (seats.len() + 1).saturating_sub(max);
    let rank = |it: &Seat| match it {
        it if Some(it.name.as_str()) == replaces => 0,
        it if it.device.is_some() && it.device == asked.device => 1,
        _ => 2,
    };
    let mut candidates = seats.to_vec();
    candidates.sort_by_key(rank);
    let its_own = candidates.iter().filter(|it| rank(it) < 2).count();
    let may = match room {
        SeatRoom::Oldest => true,
        SeatRoom::ItsOwn => excess <= its_own,
        SeatRoom::None => excess == 0,
    };
    if !may {
        return None;
    }
    let names = |is_own: bool| -> Vec<&str> {
        let these = candidates[..excess].iter().filter(|it| (rank(it) == 0) == is_own);
        these.map(|it| it.name.as_str()).collect()
    };
    pair(&names(true), &names(false))
}

fn without(seats: Vec<Seat>, gone: &[String]) -> Vec<Seat> {
    seats.into_iter().filter(|it| !gone.contains(&it.name)).collect()
}

/// Against a model that keeps lists: nothing of hashes, scripts and names in it.
#[test]
#[expect(clippy::too_many_lines, reason = "one schedule, and what the model says of each step")]
fn under_any_schedule_the_script_does_what_the_rule_says() {
    let first = number("USERLINE_TEST_SEED", 1);
    for seed in first..first + number("USERLINE_TEST_SEEDS", 10) {
        let (mut hall, mut random, mut living) = (Hall::new(), Random::new(seed), [true; 3]);
        let user = UserId::parse("ann").unwrap();
        let (max, mut seats) = (1 + random.below(3), Vec::<Seat>::new());
        for step in 0..300 {
            let node = random.below(3);
            match random.below(10) {
                0 => {
                    living[node] = !living[node];
                    if living[node] {
                        hall.comes(node);
                    } else {
                        hall.goes(node);
                    }
                }
                1 => {
                    hall.redis.flush();
                    seats.clear();
                    (0..3).filter(|it| living[*it]).for_each(|it| hall.comes(it));
                }
                2..4 => {
                    if seats.is_empty() {
                        continue;
                    }
                    let seat = seats.remove(random.below(seats.len()));
                    hall.free(&user, &seat.name);
                }
                _ => {
                    let room = match random.below(3) {
                        0 => SeatRoom::ItsOwn,
                        1 => SeatRoom::Oldest,
                        _ => SeatRoom::None,
                    };
                    let is_repeat = !seats.is_empty() && random.chance(20);
                    let of = random.below(seats.len());
                    let device = random.chance(40).then(|| random.below(2));
                    let asked = if is_repeat {
                        seats[of].clone()
                    } else {
                        Seat { name: format!("s{step}"), node, device }
                    };
                    let mut claim = claim("ann", &asked.name, asked.node, max, room);
                    if let Some(device) = asked.device {
                        claim = of_device(&format!("d{device}"), claim);
                    }
                    let replaces = (!seats.is_empty() && random.chance(20))
                        .then(|| seats[random.below(seats.len())].name.clone());
                    claim.replaces =
                        replaces.as_ref().map(|it| SeatMark::Socket(format!("sock_{it}").into()));

                    let stays = |it: &Seat| {
                        living[it.node] || it.node == asked.node || it.name == asked.name
                    };
                    seats.retain(stays);
                    let is_known = seats.iter().any(|it| it.name == asked.name);
                    let expected = expected(&seats, &asked, replaces.as_deref(), (max, room));
                    let found = gone(hall.take(&claim));
                    assert_eq!(found, expected, "seed {seed}, step {step}");
                    if let (Some((replaced, evicted)), false) = (found, is_known) {
                        let gone = [replaced, evicted].concat();
                        seats = without(seats, &gone);
                        seats.push(asked);
                    }
                }
            }
            let kept: Vec<String> = hall.redis.ask(&["HKEYS", "userline:{test}:seats:ann"]);
            let kept: BTreeSet<&str> = kept.iter().map(String::as_str).collect();
            let known = seats.iter().filter(|it| living[it.node]);
            assert!(known.clone().all(|it| kept.contains(it.name.as_str())), "seed {seed}");
            assert!(known.count() <= max + usize::from(living != [true; 3]) * 3, "seed {seed}");
        }
    }
}

#[test]
fn a_connection_of_very_many_sockets_is_known_by_some_of_them() {
    let mut hall = Hall::new();
    let mut of_many = claim("ann", "a", 0, 1, SeatRoom::ItsOwn);
    of_many.marks = (0..1000).map(|it| SeatMark::Socket(format!("sock_{it}").into())).collect();
    assert_eq!(gone(hall.take(&of_many)), pair(&[], &[]));
    assert_eq!(gone(hall.take(&of_many)), pair(&[], &[]));
    let kept: String = hall.redis.ask(&["HGET", "userline:{test}:seats:ann", "a"]);
    assert!(kept.len() < 4100 && kept.contains("\nssock_0\n"), "{}", kept.len());
    let of_one = claim("bob", "b", 0, 1, SeatRoom::ItsOwn);
    for _ in 0..2 {
        assert_eq!(gone(hall.take(&of_one)), pair(&[], &[]));
    }
    let kept: String = hall.redis.ask(&["HGET", "userline:{test}:seats:bob", "b"]);
    assert_eq!(kept.matches("ssock_b\n").count(), 1, "a mark stands there once: {kept}");
}

#[test]
fn each_guard_of_seats_is_missed_by_a_test() {
    let guards: Guards = &[
        ("if has(other.value, ARGV[10]) then list = its elseif", "if"),
        ("elseif is_same then list = same end", "end"),
        ("if room == 'none' or", "if"),
        ("(room == 'own' and #its + #same < excess)", "room == 'own'"),
        ("(room == 'own' and #its + #same < excess)", "false"),
        ("if #replaced + #evicted < excess then to[#to + 1]", "if true then to[#to + 1]"),
        ("for _, each in ipairs(replaced) do redis.call('HDEL', key, each) end", ""),
        ("for _, each in ipairs(evicted) do redis.call('HDEL', key, each) end", ""),
        ("'\\n' .. mark .. '\\n', 1, true)", "'\\n' .. mark .. '\\n')"),
        ("for i = 12, marks - 1 do redis.call('HDEL', key, ARGV[i]) end", ""),
    ];
    each_is_needed(
        guards,
        where_all_are_taken_a_newcomer_has_what_its_client_left_behind_or_its_device_or_the_oldest,
    );
    let guards: Guards = &[
        ("elseif living[holder] then", "elseif true then"),
        ("living[string.match(each, '^(.*)%.') or each] = true", "living[each] = true"),
        ("  redis.call('PEXPIRE', key, ARGV[9])\n", ""),
        ("if since == '' then since = text(now) end", "since = text(now)"),
    ];
    each_is_needed(
        guards,
        seats_of_a_node_that_is_gone_are_free_and_it_has_them_again_only_if_there_is_room,
    );
    let guards: Guards = &[
        ("local living = {[node] = true}", "local living = {}"),
        ("if a.since ~= b.since then return a.since < b.since end", ""),
        ("if own then return {'OK', sit(own), {}, {}} end", ""),
    ];
    each_is_needed(guards, under_any_schedule_the_script_does_what_the_rule_says);
    let guards: Guards = &[
        ("if not has(value, ARGV[i]) and #value < 4000 then", "if not has(value, ARGV[i]) then"),
        ("if not has(value, ARGV[i]) and #value < 4000 then", "if #value < 4000 then"),
    ];
    each_is_needed(guards, a_connection_of_very_many_sockets_is_known_by_some_of_them);
}
