//! Whether what the receiver was told fits what really was: the invariants of presence, for one node and for many.

use super::timeline::{Stretch, timeline};
use crate::rig::receiver::Hook;
use crate::rig::server::{GRACE, SILENCE, STARTUP_GRACE};
use crate::rig::truth::{History, ServerMark, State};
use std::collections::{BTreeMap, BTreeSet};

/// How late a busy machine may make a server, or a client notice that it was cut off, in milliseconds.
const SLACK: u64 = 3000;
/// How far a client's and the server's knowledge of one moment may differ.
const BLUR: u64 = 300;
/// How long whoever pulls events may be behind.
const UNREAD: u64 = 10_000;

/// What is promised of the server that was run, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long a user lingers.
    pub(crate) grace: u64,
    /// By when whoever has come is known to whoever decides that the grace is over.
    pub(crate) known: u64,
    /// How long a client must have been connected for its user's `online` to be recorded, whatever happens then.
    pub(crate) recorded: u64,
    /// By when somebody who is gone is offline.
    pub(crate) gone: u64,
    /// The same after the server, or Redis, was in trouble.
    pub(crate) gone_after_trouble: u64,
    /// When data of Redis were lost for the first and for the last time, if they were. What was told before that may be told
    /// again after it.
    pub(crate) lost: Option<(u64, u64)>,
}

impl Terms {
    pub(crate) const ONE_NODE: Self = Self {
        grace: GRACE,
        known: BLUR,
        recorded: 2000,
        gone: SILENCE + GRACE + SLACK,
        gone_after_trouble: SILENCE + STARTUP_GRACE + SLACK,
        lost: None,
    };

    /// Whether something was lost before this was told.
    fn is_after_loss(&self, hook: &Hook) -> bool {
        self.lost.is_some_and(|(first, _)| first <= hook.stamp)
    }

    /// Whether it may have been lost after it was told, and before anybody read it.
    fn may_be_unread(&self, hook: &Hook) -> bool {
        let is_near = |(first, last)| first <= hook.stamp + UNREAD && hook.stamp <= last + BLUR;
        self.lost.is_some_and(is_near)
    }

    /// Whether it may have been lost before it was told. What is told later of the user is told after it.
    fn may_be_untold(&self, hook: &Hook, told: &[&Hook]) -> bool {
        self.lost.is_some_and(|(first, last)| {
            hook.stamp <= last + BLUR && told.iter().all(|it| it.seq < hook.seq || first <= it.at)
        })
    }
}

/// All that is known of a run.
#[derive(Debug, Clone)]
pub(crate) struct Evidence {
    pub(crate) terms: Terms,
    pub(crate) history: History,
    /// As they arrived, repeats included.
    pub(crate) hooks: Vec<Hook>,
    /// What was read of the event log of the API, in its order.
    pub(crate) events: Vec<Hook>,
    /// When the run ended.
    pub(crate) end: u64,
}

/// Everything that is wrong; nothing if all is well.
pub(crate) fn check(evidence: &Evidence) -> Vec<String> {
    let mut wrong = Vec::new();
    let terms = &evidence.terms;
    let told = first_deliveries(&evidence.hooks, terms, &mut wrong);
    let pulled = by_user(&evidence.events);
    is_the_log(&told, &pulled, terms, &mut wrong);
    for (user, stretches) in timeline(&evidence.history.marks, evidence.end) {
        let (recorded, before) = (recorded(told.get(&user), pulled.get(&user)), wrong.len());
        no_false_offline(&user, &stretches, &recorded, terms, &mut wrong);
        nothing_missed(&user, &stretches, &recorded, (terms, &evidence.history.server), &mut wrong);
        if before < wrong.len() {
            let told: Vec<_> =
                recorded.iter().map(|it| (it.stamp, it.is_online, &it.reason, it.acked)).collect();
            let was: Vec<_> =
                stretches.iter().map(|it| (it.from, it.state, it.ends_exactly)).collect();
            wrong.push(format!("{user}: told {told:?}, was {was:?}"));
        }
    }
    wrong
}

/// What was recorded of a user: told or read, in order. What is lost before it is told was decided all the same.
fn recorded<'a>(told: Option<&Vec<&'a Hook>>, pulled: Option<&Vec<&'a Hook>>) -> Vec<&'a Hook> {
    let all = pulled.into_iter().chain(told).flatten().map(|it| (it.seq, *it));
    all.collect::<BTreeMap<u64, &Hook>>().into_values().collect()
}

/// What was told is what can be read.
fn is_the_log(
    told: &BTreeMap<&String, Vec<&Hook>>,
    pulled: &BTreeMap<&String, Vec<&Hook>>,
    terms: &Terms,
    wrong: &mut Vec<String>,
) {
    let none = Vec::new();
    let users: BTreeSet<&String> = told.keys().chain(pulled.keys()).copied().collect();
    for user in users {
        let (told, pulled) = (told.get(user).unwrap_or(&none), pulled.get(user).unwrap_or(&none));
        let words = |hooks: &[&Hook], others: &[&Hook], may_miss: &dyn Fn(&Hook) -> bool| {
            let is_due =
                |it: &&Hook| !may_miss(it) || others.iter().any(|other| other.seq == it.seq);
            hooks.iter().copied().filter(is_due).map(word).collect::<Vec<_>>()
        };
        let (told, pulled) = (
            words(told, pulled, &|it| terms.may_be_unread(it)),
            words(pulled, told, &|it| terms.may_be_untold(it, told)),
        );
        if told != pulled {
            wrong.push(format!("{user}: hooks {told:?} are not the event log {pulled:?}"));
        }
    }
}

/// Who the receiver believes to be online.
pub(crate) fn believed_online(hooks: &[Hook]) -> BTreeSet<String> {
    let mut last = BTreeMap::new();
    for hook in hooks.iter().filter(|it| it.acked.is_some()) {
        let newest = last.entry(hook.user.clone()).or_insert(hook);
        if newest.seq < hook.seq {
            *newest = hook;
        }
    }
    last.into_iter().filter(|(_, hook)| hook.is_online).map(|(user, _)| user).collect()
}

fn word(hook: &Hook) -> (u64, bool, u64) {
    (hook.seq, hook.is_online, hook.session)
}

fn by_user(hooks: &[Hook]) -> BTreeMap<&String, Vec<&Hook>> {
    let mut users: BTreeMap<&String, Vec<&Hook>> = BTreeMap::new();
    for hook in hooks {
        users.entry(&hook.user).or_default().push(hook);
    }
    users
}

/// The first delivery of each event, by user; checks order, repeats, sessions and identity on the way.
fn first_deliveries<'a>(
    hooks: &'a [Hook],
    terms: &Terms,
    wrong: &mut Vec<String>,
) -> BTreeMap<&'a String, Vec<&'a Hook>> {
    let mut bodies = BTreeMap::new();
    for hook in hooks {
        if *bodies.entry(&hook.id).or_insert(&hook.body) != &hook.body {
            wrong.push(format!("{}: {} came with two bodies", hook.user, hook.id));
        }
    }
    let mut firsts = BTreeMap::new();
    for (user, all) in by_user(hooks) {
        let mut seen = BTreeSet::new();
        let distinct: Vec<&Hook> = all.iter().filter(|it| seen.insert(&it.id)).copied().collect();
        in_order(user, &distinct, &all, terms, wrong);
        one_story(user, &distinct, terms, wrong);
        firsts.insert(user, distinct);
    }
    firsts
}

/// Sequence numbers grow, and nothing is sent before everything older was accepted.
fn in_order(user: &str, distinct: &[&Hook], all: &[&Hook], terms: &Terms, wrong: &mut Vec<String>) {
    for pair in distinct.windows(2) {
        let [older, newer] = pair else { continue };
        if newer.seq <= older.seq {
            wrong.push(format!("{user}: {} came after {}", newer.seq, older.seq));
        }
        let acked = all.iter().filter(|it| it.id == older.id).filter_map(|it| it.acked).min();
        let was_early = acked.is_none_or(|acked| newer.place < acked);
        // What was still to be told may be lost.
        if was_early && !terms.is_after_loss(newer) {
            wrong.push(format!("{user}: {} was sent before {} was accepted", newer.seq, older.seq));
        }
    }
}

/// Online and offline by turns; each offline closes the session that the online before it opened, once.
fn one_story(user: &str, distinct: &[&Hook], terms: &Terms, wrong: &mut Vec<String>) {
    let mut open = None;
    for hook in distinct.iter().take_while(|it| !terms.is_after_loss(it)) {
        let fits = match (open, hook.is_online) {
            (None, true) => hook.session == hook.seq,
            (Some(session), false) => hook.session == session,
            (None, false) | (Some(_), true) => false,
        };
        if !fits {
            let (seq, session) = (hook.seq, hook.session);
            let is = if hook.is_online { "online" } else { "offline" };
            wrong.push(format!("{user}: {is} {seq} of session {session} while {open:?} is open"));
        }
        open = hook.is_online.then_some(hook.session);
    }
}

/// Nobody was called offline while connected, or within the grace after it.
fn no_false_offline(
    user: &str,
    stretches: &[Stretch],
    told: &[&Hook],
    terms: &Terms,
    wrong: &mut Vec<String>,
) {
    for hook in told.iter().filter(|it| !it.is_online) {
        for up in stretches.iter().filter(|it| it.state == State::Up) {
            let has_begun = up.from + terms.known <= hook.stamp;
            let until = if up.ends_exactly {
                up.to + terms.grace - BLUR
            } else {
                up.to.saturating_sub(SLACK)
            };
            if has_begun && hook.stamp < until {
                let Stretch { from, to, .. } = up;
                let stamp = hook.stamp;
                wrong
                    .push(format!("{user}: offline at {stamp}, but connected from {from} to {to}"));
            }
        }
    }
}

/// Whoever was gone for longer than the bound was called offline; whoever was there for long was called online.
fn nothing_missed(
    user: &str,
    stretches: &[Stretch],
    told: &[&Hook],
    (terms, server): (&Terms, &[(u64, ServerMark)]),
    wrong: &mut Vec<String>,
) {
    for stretch in stretches {
        let Stretch { state, from, to, .. } = *stretch;
        let due = match state {
            State::Murky => continue,
            State::Up => from + terms.recorded,
            State::Down => bound(from, terms, server),
        };
        if to < due {
            continue;
        }
        let last = told.iter().rev().find(|it| it.stamp <= due);
        let is_online = last.is_some_and(|it| it.is_online);
        if is_online != (state == State::Up) {
            let believed = if is_online { "online" } else { "offline" };
            wrong.push(format!("{user}: {state:?} from {from} to {to}, still {believed} at {due}"));
        }
    }
}

/// By when somebody who is gone at `from` must be offline.
fn bound(from: u64, terms: &Terms, server: &[(u64, ServerMark)]) -> u64 {
    let mut due = from + terms.gone;
    for (at, mark) in server.iter().filter(|(at, _)| from <= *at) {
        if due < *at {
            break;
        }
        due = match mark {
            ServerMark::Gone | ServerMark::Paused | ServerMark::Blind => u64::MAX,
            ServerMark::Ready | ServerMark::Resumed | ServerMark::Sighted => {
                at + terms.gone_after_trouble
            }
        };
    }
    due
}

mod tests;
