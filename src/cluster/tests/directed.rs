//! Guards that random schedules seldom need: each scenario holds with the shipped scripts, and not without the guard.

use super::mutants::Mutant;
use super::parts::user_id;
use super::server::{TestRedis, place};
use crate::cluster::{ClusterPlace, RedisCall, reply};
use crate::core::cluster::agreement::Agreement;
use crate::core::cluster::command::{
    Applied, Apply, Attach, Attached, Command, Dissent, Reap, ReapReason, Reply, Standing, ToldId,
};
use crate::core::cluster::facts::{FactOp, UserDeparture};
use crate::core::cluster::incarnation::Incarnation;
use crate::core::cluster::sessions::{Claimed, KeptClaim, SessionName, SessionOp};
use crate::types::{Reason, WallMs};
use bytes::Bytes;
use redis::Value;
use std::sync::Arc;
use std::time::Duration;

/// A Redis that is told one command after the other.
pub(super) struct Bench {
    redis: TestRedis,
    place: ClusterPlace,
    mutant: Option<Mutant>,
    now: u64,
}

/// What a node knows after it was attached.
pub(super) struct Node {
    pub(super) attached: Attached,
    incarnation: Incarnation,
    run: &'static str,
    seen: u64,
    batches: u64,
    pub(super) earlier: Vec<Incarnation>,
}

impl Bench {
    pub(super) fn new(mutant: Option<Mutant>) -> Self {
        let place = ClusterPlace { endpoints: vec!["hook".to_owned()], ..place() };
        let edit = |script, text: String| match mutant {
            Some(mutant) => mutant.edit(script, text),
            None => text,
        };
        Self { redis: TestRedis::start(edit), place, mutant, now: 1_700_000_000_000_000 }
    }

    pub(super) fn ask(&mut self, command: &Command) -> Reply {
        self.now += 1000;
        let value = self.redis.run(&self.place.call(command), self.now);
        reply(command, &value).unwrap()
    }

    pub(super) fn attach(&mut self, run: &'static str, known: Option<&Node>, next: &str) -> Node {
        self.try_attach(run, known, next, None).unwrap()
    }

    pub(super) fn try_attach(
        &mut self,
        run: &'static str,
        known: Option<&Node>,
        next: &str,
        unmoved: Option<&Arc<str>>,
    ) -> Result<Node, Dissent> {
        let seen = match self.mutant {
            Some(Mutant::LargestSeen) => 0,
            _ => known.map_or(0, |it| it.seen),
        };
        let command = Command::Attach(Attach {
            run: run.into(),
            known_run: known.map(|it| it.run.into()),
            own: known.map(|it| (it.incarnation.clone(), it.batches)),
            seen,
            known_copy: known.map_or("".into(), |it| Arc::clone(&it.attached.copy)),
            next: Incarnation::from_text(next),
            unmoved: unmoved.cloned(),
        });
        let reply = self.ask(&command);
        if let Reply::Apart(dissent) = reply {
            return Err(dissent);
        }
        let Reply::Attached(attached) = reply else { panic!("{reply:?}") };
        let (incarnation, batches) = match known {
            Some(it) if attached.standing == Standing::Same => (it.incarnation.clone(), it.batches),
            Some(_) | None => (Incarnation::from_text(next), 0),
        };
        let mut earlier = known.map_or_else(Vec::new, |it| it.earlier.clone());
        earlier.extend(known.map(|it| it.incarnation.clone()).filter(|it| *it != incarnation));
        Ok(Node { seen: attached.head, attached, incarnation, run, batches, earlier })
    }

    pub(super) fn apply(
        &mut self,
        node: &mut Node,
        facts: Vec<FactOp>,
        events: &[&'static str],
    ) -> Applied {
        self.apply_all(node, facts, Vec::new(), events)
    }

    pub(super) fn apply_all(
        &mut self,
        node: &mut Node,
        facts: Vec<FactOp>,
        sessions: Vec<(SessionName, SessionOp)>,
        events: &[&'static str],
    ) -> Applied {
        let command = Command::Apply(Apply {
            incarnation: node.incarnation.clone(),
            number: node.batches + 1,
            epoch: Arc::clone(&node.attached.epoch),
            read: 0,
            facts,
            sessions,
            marker: false,
            events: events.iter().map(|it| Bytes::from_static(it.as_bytes())).collect(),
            told: ToldId::default(),
            tells: Vec::new(),
            earlier: node.earlier.clone(),
        });
        let Reply::Applied(applied) = self.ask(&command) else { panic!() };
        if let Applied::Done { head, .. } = &applied {
            node.batches += 1;
            node.seen = *head;
        }
        applied
    }

    pub(super) fn place(&self) -> &ClusterPlace {
        &self.place
    }

    pub(super) fn run_call(&mut self, call: &RedisCall) -> Value {
        self.now += 1000;
        self.redis.run(call, self.now)
    }

    /// Any command on a key of the cluster.
    pub(super) fn ask_redis(&mut self, words: &[&str]) -> Vec<String> {
        let key = self.place.key(words[1]);
        let words = [&[words[0], key.as_str()], &words[2..]].concat();
        self.redis.ask(&words)
    }

    pub(super) fn up_user(&mut self, node: &mut Node, user: usize) {
        self.apply(node, vec![FactOp::Up { user: user_id(user), hint: None, is_kept: false }], &[]);
    }

    fn up(&mut self, node: &mut Node, hint: Option<u64>) -> u64 {
        let facts = vec![FactOp::Up { user: user_id(1), hint, is_kept: false }];
        let Applied::Done { sessions, .. } = self.apply(node, facts, &[]) else { panic!() };
        sessions[0]
    }

    pub(super) fn reap(&mut self, node: &Node, why: ReapReason) {
        let name = Incarnation::from_text("r.1");
        self.ask(&Command::Reap(Reap { incarnation: node.incarnation.clone(), why, name }));
    }

    /// What is found of the session `/ p`, which is this owner's from now on.
    pub(super) fn claim(&mut self, user: usize, owner: &str) -> Claimed {
        let (name, kept_for) = ("/ p".into(), Duration::from_hours(1));
        let claim = KeptClaim { name, user: user_id(user), owner: owner.into(), kept_for };
        let Reply::Claimed(claimed) = self.ask(&Command::Claim(claim)) else { panic!() };
        claimed
    }

    /// Any command on a key of the cluster that answers a number.
    pub(super) fn change_redis(&mut self, words: &[&str]) -> i64 {
        let key = self.place.key(words[1]);
        let words = [&[words[0], key.as_str()], &words[2..]].concat();
        self.redis.ask(&words)
    }

    /// Any command on a key of the cluster that answers a text.
    pub(super) fn redis_text(&mut self, words: &[&str]) -> String {
        let key = self.place.key(words[1]);
        let words = [&[words[0], key.as_str()], &words[2..]].concat();
        self.redis.ask(&words)
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += u64::try_from(time.as_micros()).unwrap();
    }

    pub(super) fn tend_for(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.now += 1_000_000;
            self.ask(&Command::Tend);
        }
    }

    fn holders(&mut self) -> Vec<String> {
        self.redis.ask(&["HKEYS", &self.place.key("u:u1")])
    }

    /// The kinds of the presence changes so far.
    fn told(&mut self) -> Vec<String> {
        self.events().into_iter().map(|fields| fields[1].clone()).collect()
    }

    /// The fields of all that was told.
    pub(super) fn events(&mut self) -> Vec<Vec<String>> {
        let key = self.place.key("events");
        let entries: Vec<(String, Vec<String>)> = self.redis.ask(&["XRANGE", &key, "-", "+"]);
        entries.into_iter().map(|(_, fields)| fields).collect()
    }

    /// The next node that comes means something else, or the same again.
    pub(super) fn set_up(&mut self, change: impl FnOnce(&mut Agreement)) {
        change(&mut self.place.agreement);
    }
}

/// `scenario` says whether all was well.
pub(super) fn needs(guard: Mutant, scenario: fn(&mut Bench) -> bool) {
    assert!(scenario(&mut Bench::new(None)), "{guard:?}: the shipped scripts fail");
    assert!(!scenario(&mut Bench::new(Some(guard))), "{guard:?} is not caught");
}

#[test]
fn what_a_node_says_that_was_let_go_is_not_heard() {
    needs(Mutant::Fence, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        bench.up(&mut node, None);
        bench.reap(&node, ReapReason::Silent(1));
        let user = user_id(1);
        let answer = bench.apply(
            &mut node,
            vec![FactOp::Up { user, hint: None, is_kept: false }],
            &["late"],
        );
        answer == Applied::Refused && !bench.holders().contains(&"a.1".to_owned())
    });
}

#[test]
fn an_event_is_not_taken_under_an_epoch_that_has_ended() {
    needs(Mutant::StaleEpoch, |bench| {
        let mut here = bench.attach("run", None, "a.1");
        let gone = bench.attach("run", None, "b.1");
        here = bench.attach("run 2", Some(&here), "a.2");
        bench.reap(&gone, ReapReason::Silent(0));
        bench.apply(&mut here, Vec::new(), &["event"]) == Applied::Refused
    });
}

#[test]
fn a_node_that_beats_before_it_is_let_go_stays() {
    needs(Mutant::ReapCompare, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        bench.up(&mut node, None);
        bench.apply(&mut node, Vec::new(), &[]);
        bench.reap(&node, ReapReason::Silent(1));
        bench.holders().contains(&"a.1".to_owned())
    });
}

#[test]
fn nobody_is_recovered_before_all_have_said_what_they_miss() {
    needs(Mutant::Suspects, |bench| {
        let mut writer = bench.attach("run", None, "a.1");
        let other = bench.attach("run", None, "b.1");
        bench.apply(&mut writer, Vec::new(), &["kept"]);
        let copy = bench.redis.snapshot();
        bench.apply(&mut writer, Vec::new(), &["lost"]);
        bench.redis.restore(&copy);
        let other = bench.attach("run 2", Some(&other), "b.2");
        let is_unsure = bench.claim(1, "n/1").is_unsure;
        bench.reap(&writer, ReapReason::Silent(1));
        let claimed = bench.claim(1, "n/1");
        is_unsure && !claimed.is_unsure && claimed.epoch != other.attached.epoch
    });
}

#[test]
fn a_number_that_was_seen_proves_a_loss_though_its_writer_is_forgotten() {
    needs(Mutant::LargestSeen, |bench| {
        let reader = bench.attach("run", None, "b.1");
        let copy = bench.redis.snapshot();
        let mut writer = bench.attach("run", None, "a.1");
        bench.apply(&mut writer, Vec::new(), &["lost"]);
        let reader = Node { seen: writer.seen, ..reader };
        bench.redis.restore(&copy);
        let again = bench.attach("run 2", Some(&reader), "b.2");
        again.attached.standing == Standing::Lost
            && again.attached.epoch != reader.attached.epoch
            && reader.seen < again.attached.head
    });
}

#[test]
fn a_session_goes_on_though_the_state_is_lost() {
    needs(Mutant::NoHint, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        let session = bench.up(&mut node, None);
        bench.redis.flush();
        let mut node = bench.attach("run", Some(&node), "a.2");
        node.attached.standing == Standing::Lost && bench.up(&mut node, Some(session)) == session
    });
}

#[test]
fn who_left_shortly_before_the_state_was_lost_goes_offline() {
    needs(Mutant::NoDeparted, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        let session = bench.up(&mut node, None);
        bench.redis.flush();
        let mut node = bench.attach("run", Some(&node), "a.2");
        let departure = UserDeparture {
            grace: Duration::from_secs(10),
            reason: Reason::TransportClose,
            closed_at: WallMs(1),
        };
        let departed = FactOp::Departed { user: user_id(1), session, departure };
        bench.apply(&mut node, vec![departed], &[]);
        bench.tend_for(Duration::from_secs(40));
        bench.told() == ["on", "off"]
    });
}

#[test]
fn nobody_goes_offline_right_after_an_outage() {
    needs(Mutant::Hold, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        bench.tend_for(Duration::from_secs(30));
        bench.up(&mut node, None);
        bench.reap(&node, ReapReason::Silent(1));
        bench.now += 60_000_000;
        bench.ask(&Command::Tend);
        let is_held = bench.told() == ["on"];
        bench.tend_for(Duration::from_secs(30));
        is_held && bench.told() == ["on", "off"]
    });
}

#[test]
fn who_comes_back_after_a_loss_is_told_of_again() {
    needs(Mutant::NoDoubt, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        bench.up(&mut node, None);
        let copy = bench.redis.snapshot();
        // Now it goes offline, and somebody is told so; and all of that is lost.
        bench.apply(&mut node, Vec::new(), &[]);
        bench.redis.restore(&copy);
        let mut node = bench.attach("run 2", Some(&node), "a.2");
        bench.up(&mut node, None);
        bench.up(&mut node, None);
        node.attached.standing == Standing::Lost && bench.told() == ["on", "on"]
    });
}

#[test]
fn no_number_comes_twice_though_everything_was_lost() {
    needs(Mutant::NumbersFromZero, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        let session = bench.up(&mut node, None);
        bench.redis.flush();
        let mut stranger = bench.attach("run 2", None, "b.1");
        session < bench.up(&mut stranger, None)
    });
}

#[test]
fn what_was_handed_out_without_a_number_is_not_said_to_be_complete() {
    needs(Mutant::HoleMarker, |bench| {
        let mut node = bench.attach("run", None, "a.1");
        bench.apply(&mut node, Vec::new(), &["before"]);
        let before = node.seen;
        let marker = Command::Apply(Apply {
            incarnation: node.incarnation.clone(),
            number: 2,
            epoch: Arc::clone(&node.attached.epoch),
            read: 0,
            facts: Vec::new(),
            sessions: Vec::new(),
            marker: true,
            events: Vec::new(),
            told: ToldId::default(),
            tells: Vec::new(),
            earlier: Vec::new(),
        });
        bench.ask(&marker);
        let claimed = bench.claim(1, "n/1");
        before < claimed.hole && claimed.hole == claimed.head
    });
}
