//! Callers who emit numbers one after the other, whichever node they ask, and write down what they were answered; and
//! whether what clients got fits that.

use super::api::Api;
use super::{Random, Watch};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longer than any answer takes of a node that runs.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long before a loss an emit is at least that was read by every node, in milliseconds.
const READ: u64 = 10_000;

/// The APIs of the nodes that run.
pub(crate) type Apis = Arc<Mutex<Vec<Option<Api>>>>;

/// What an emit was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It arrives: the answer names nothing that speaks against it.
    Sure,
    /// It may arrive: it was `degraded`, a node that counts is missing, or there was no answer at all.
    Unsure,
    /// It does not arrive.
    Refused,
}

/// One emit.
#[derive(Debug, Clone)]
pub(crate) struct Emitted {
    /// The user it is for; everybody if there is none.
    pub(crate) to: Option<String>,
    /// When it was asked for.
    pub(crate) at: u64,
    pub(crate) answer: Answer,
}

/// What callers do.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    pub(crate) users: Arc<[String]>,
    /// The namespace has recovery: then a node that is missing does later what it was asked for.
    pub(crate) recovers: bool,
    /// Emits of one request.
    pub(crate) batch: usize,
    /// From one request to the next, if the answer does not take longer.
    pub(crate) every: Duration,
}

/// A caller emits until it is over. The place of an emit in the list is the number that it brings.
pub(crate) async fn call(
    caller: u64,
    calls: Calls,
    apis: Apis,
    watch: Watch,
    is_over: Arc<AtomicBool>,
) -> Vec<Emitted> {
    let mut random = Random::new(caller + 1);
    let mut all: Vec<Emitted> = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let living: Vec<Api> = apis.lock().iter().flatten().cloned().collect();
        let pick = |random: &mut Random, of: usize| {
            usize::try_from(random.of(0..u64::try_from(of).unwrap())).unwrap()
        };
        let api = &living[pick(&mut random, living.len())];
        let (at, mut emits) = (watch.now(), Vec::new());
        let first = all.len();
        for number in first..first + calls.batch {
            let user = calls.users[pick(&mut random, calls.users.len())].clone();
            let to = (random.of(0..20) != 0).then_some(user);
            let target = to.as_ref().map_or(json!({"all": true}), |it| json!({"users": [it]}));
            emits.push(json!({"to": target, "event": "n", "args": [caller, number]}));
            all.push(Emitted { to, at, answer: Answer::Unsure });
        }
        let said = if let [emit] = emits.as_slice() {
            let said = api.try_post("/v1/emit", emit, PATIENCE).await;
            said.map(|(status, answer)| vec![(u64::from(status), answer)])
        } else {
            let said = api.try_post("/v1/emit/batch", &json!({ "emits": emits }), PATIENCE).await;
            said.map(|(status, answer)| each(status, &answer, calls.batch))
        };
        for (emitted, (status, answer)) in all[first..].iter_mut().zip(said.unwrap_or_default()) {
            emitted.answer = read(status, &answer, calls.recovers);
        }
        watch.sleep_until(at + u64::try_from(calls.every.as_millis()).unwrap()).await;
    }
    all
}

/// The answers of a batch; if it was refused as a whole, that of each.
fn each(status: u16, answer: &Value, count: usize) -> Vec<(u64, Value)> {
    let Some(results) = answer["results"].as_array() else {
        return vec![(u64::from(status), answer.clone()); count];
    };
    results.iter().map(|it| (it["status"].as_u64().unwrap(), it.clone())).collect()
}

fn read(status: u64, answer: &Value, recovers: bool) -> Answer {
    let is_degraded = answer.get("degraded").is_some();
    let is_partial = answer.get("nodes_missing").is_some();
    match (status, is_degraded || (is_partial && !recovers)) {
        (200, false) => Answer::Sure,
        (200, true) => Answer::Unsure,
        _ => Answer::Refused,
    }
}

/// What is wrong with what a client of `user` got in each of its sessions. `lost` says when data of Redis were lost, if they were.
pub(crate) fn wrong(
    callers: &[Vec<Emitted>],
    user: &str,
    sessions: &[Vec<Value>],
    recovers: bool,
    lost: Option<u64>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (session, events) in sessions.iter().enumerate() {
        let mut got: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for event in events.iter().filter(|it| it[0] == "n") {
            let number = |at: usize| usize::try_from(event[at].as_u64().unwrap()).unwrap();
            got.entry(number(1)).or_default().push(number(2));
        }
        for (caller, numbers) in got {
            let emitted = &callers[caller];
            let mut say = |what: &str, numbers: &[usize]| {
                if let Some(first) = numbers.first() {
                    let at = emitted[*first].at;
                    wrong.push(format!("{user}, session {session}: {what}: {numbers:?} of caller {caller}, the first at {at}"));
                }
            };
            let is_sure = |it: &&usize| emitted[**it].answer == Answer::Sure;
            let is_mine = |it: &Emitted| it.to.as_ref().is_none_or(|to| to == user);
            let some = |is_so: &dyn Fn(&usize) -> bool| -> Vec<usize> {
                numbers.iter().filter(|it| is_so(it)).copied().collect()
            };
            say("refused and sent", &some(&|it| emitted[*it].answer == Answer::Refused));
            say("not for this user", &some(&|it| !is_mine(&emitted[*it])));
            let mut seen = BTreeSet::new();
            let mut again: Vec<usize> =
                numbers.iter().filter(|it| !seen.insert(**it)).copied().collect();
            // With recovery, what was `degraded` may come again.
            again.retain(|it| !recovers || emitted[*it].answer == Answer::Sure);
            say("twice", &again);
            let sure: Vec<usize> = numbers.iter().filter(is_sure).copied().collect();
            let early: Vec<usize> =
                sure.windows(2).filter(|it| it[1] < it[0]).map(|it| it[1]).collect();
            say("late", &early);
            // Whoever got one before and one after was there all the time.
            if let (Some(first), Some(last)) = (sure.iter().min(), sure.iter().max()) {
                let may_be_lost = |at: u64| lost.is_some_and(|lost| lost < at + READ);
                let missing: Vec<usize> = (*first..*last)
                    .filter(|it| is_sure(&it) && is_mine(&emitted[*it]) && !seen.contains(it))
                    .filter(|it| !may_be_lost(emitted[*it].at))
                    .collect();
                say("lost in silence", &missing);
            }
        }
    }
    wrong
}

#[test]
fn a_checker_that_finds_nothing_proves_nothing() {
    use Answer::{Refused, Sure, Unsure};
    let emitted = |(at, answer): (u64, Answer)| Emitted { to: Some("ann".to_owned()), at, answer };
    let answers = [Sure, Unsure, Sure, Refused, Sure];
    let callers: Vec<Emitted> = (0..).step_by(20_000).zip(answers).map(emitted).collect();
    let finds = |numbers: &[u64], recovers: bool, lost: Option<u64>| {
        let events: Vec<Value> = numbers.iter().map(|it| json!(["n", 0, it])).collect();
        let found = wrong(std::slice::from_ref(&callers), "ann", &[events], recovers, lost);
        found.iter().map(|it| it.split(": ").nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    for good in [&[0, 1, 2, 4][..], &[0, 2, 4], &[0, 2, 1, 4], &[2, 4], &[]] {
        assert_eq!(finds(good, false, None), none, "{good:?}");
    }
    assert_eq!(finds(&[0, 4], false, None), ["lost in silence"]);
    assert_eq!(finds(&[0, 4], false, Some(30_000)), none);
    assert_eq!(finds(&[0, 2, 3, 4], false, None), ["refused and sent"]);
    assert_eq!(finds(&[0, 4, 2], true, None), ["late"]);
    assert_eq!(finds(&[0, 2, 2], true, None), ["twice"]);
    assert_eq!(finds(&[0, 1, 1], false, None), ["twice"]);
    assert_eq!(finds(&[0, 1, 1], true, None), none);
    let event = [vec![json!(["n", 0, 0])]];
    assert!(wrong(&[callers], "bob", &event, true, None)[0].contains("not for this user"));
}
