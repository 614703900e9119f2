//! What must hold, whatever happens.

use super::clients::Promise;
use super::parts::{Answer, GRACE_MS, SimEvent, Told, USERS, user_id};
use super::world::{World, online};
use crate::types::Reason;
use std::collections::{BTreeMap, BTreeSet};

impl World {
    /// Notes which users the state holds for sure: a node that runs, and is connected, has told all it knows.
    pub(super) fn note_held(&mut self) {
        for node in 0..self.nodes.len() {
            if self.has_said_all(node) {
                let users = self.nodes[node].users.iter();
                for (user, _) in users.filter(|(_, (_, is_verified))| *is_verified) {
                    self.held[*user] = self.now;
                }
            }
        }
    }

    fn has_said_all(&self, node: usize) -> bool {
        let machine = &self.nodes[node].machine;
        let is_there = self.is_running(node) && self.open_wire(node).is_some();
        is_there && machine.is_attached() && machine.is_said()
    }

    fn is_held(&self, user: usize) -> bool {
        let holds = |node: &usize| {
            let it = self.nodes[*node].users.get(&user);
            self.has_said_all(*node) && it.is_some_and(|(_, is_verified)| *is_verified)
        };
        (0..self.nodes.len()).any(|it| holds(&it))
    }

    /// What an endpoint is told: in order, and nobody is said to be offline too soon.
    pub(super) fn read_told(&mut self) {
        let last = self.last_told();
        let key = self.place.key("events");
        let from = format!("({last}-0");
        let entries: Vec<(String, Vec<String>)> = self.redis.ask(&["XRANGE", &key, &from, "+"]);
        for (id, fields) in entries {
            let field = |name: &str| {
                let place = fields.iter().step_by(2).position(|it| it == name).unwrap();
                fields[2 * place + 1].clone()
            };
            let user = field("u")[1..].parse().unwrap();
            let seq = id.trim_end_matches("-0").parse().unwrap();
            if field("k") == "hook" {
                self.read_told_socket(user, seq, &field("b"));
                continue;
            }
            let is_on = field("k") == "on";
            self.told.push(Told { user, is_on, seq, session: field("s").parse().unwrap() });
            let since = (self.now - self.held[user]) / 1000;
            // A grace may be ended; but not that of somebody who is there.
            let is_ended = field("r") == Reason::Kicked.as_str();
            let is_early = if is_ended { self.is_held(user) } else { since < GRACE_MS };
            if !is_on && is_early {
                self.bad.push(format!("offline too soon: u{user} was held {since} ms ago"));
            }
            self.count(if is_on { "told online" } else { "told offline" });
        }
    }

    /// After all is healed.
    pub(super) fn check(&mut self) {
        self.check_presence();
        self.check_sockets();
        self.check_keys();
        self.check_clients();
    }

    fn check_presence(&mut self) {
        let online = online(self);
        let mut last: BTreeMap<usize, Told> = BTreeMap::new();
        let (mut offs, mut bad) = (BTreeSet::new(), Vec::new());
        for told in &self.told {
            let before = last.insert(told.user, told.clone());
            let session = before.as_ref().filter(|it| it.is_on).map(|it| it.session);
            if before.is_some_and(|it| told.seq <= it.seq) {
                bad.push(format!("order: {told:?}"));
            }
            if self.has_lost {
                continue;
            }
            if told.is_on == session.is_some() {
                bad.push(format!("no alternation: {told:?}"));
            }
            if !told.is_on && session != Some(told.session) {
                bad.push(format!("another session ends: {told:?}, not {session:?}"));
            }
            if !told.is_on && !offs.insert((told.user, told.session)) {
                bad.push(format!("ended twice: {told:?}"));
            }
        }
        for user in 0..USERS {
            let is_on = last.get(&user).is_some_and(|it| it.is_on);
            if is_on != online.contains(&user) {
                bad.push(format!("u{user} is {}, and was told otherwise", !is_on));
            }
        }
        self.bad.extend(bad);
    }

    /// Nothing stays behind.
    fn check_keys(&mut self) {
        let online = online(self);
        let living: Vec<String> = (self.nodes.iter())
            .filter_map(|it| it.machine.incarnation().map(|it| it.as_str().to_owned()))
            .collect();
        let mut expected = BTreeSet::new();
        for name in [
            "meta",
            "nodes",
            "read",
            "reply",
            "log",
            "events",
            "endpoints",
            "wait:hook",
            "ends",
            "agreed",
            "again",
            "seen",
        ] {
            expected.insert(self.place.key(name));
        }
        expected.extend(living.iter().map(|it| self.place.key(&format!("of:{it}"))));
        expected.extend(living.iter().map(|it| self.place.key(&format!("sockets:{it}"))));
        expected.extend(online.iter().map(|it| self.place.key(&format!("u:{}", user_id(*it)))));
        // Sessions of clients are kept until they end by the clock of Redis.
        let sessions = ["s:", "away:"].map(|it| self.place.key(it));
        let is_session = |key: &String| sessions.iter().any(|it| key.starts_with(it));
        let mut strange = self.redis.keys();
        strange.retain(|it| !expected.contains(it) && !is_session(it));
        if !strange.is_empty() {
            self.bad.push(format!("left behind: {strange:?}"));
        }
        let nodes: Vec<String> = self.redis.ask(&["HKEYS", &self.place.key("nodes")]);
        if nodes.len() != living.len() || !nodes.iter().all(|it| living.contains(it)) {
            self.bad.push(format!("nodes: {nodes:?}, living {living:?}"));
        }
        let counted: Option<usize> = self.redis.ask(&["HGET", &self.place.key("meta"), "users"]);
        if counted.unwrap_or_default() != online.len() {
            self.bad.push(format!("{counted:?} users are counted, and there are {}", online.len()));
        }
        for user in online {
            let key = self.place.key(&format!("u:{}", user_id(user)));
            let fields: BTreeSet<String> =
                self.redis.ask::<Vec<String>>(&["HKEYS", &key]).into_iter().collect();
            let holders = self.nodes.iter().filter(|it| it.users.contains_key(&user));
            let mut expected: BTreeSet<String> =
                holders.map(|it| it.machine.incarnation().unwrap().as_str().to_owned()).collect();
            expected.insert("s".to_owned());
            if fields != expected {
                self.bad.push(format!("u{user}: {fields:?}, expected {expected:?}"));
            }
        }
        let waiting: Vec<String> =
            self.redis.ask(&["ZRANGE", &self.place.key("wait:hook"), "0", "-1"]);
        let mut told: Vec<u64> = self.told.iter().map(|it| it.seq).collect();
        told.extend(self.told_sockets.iter().map(|it| it.seq));
        told.sort_unstable();
        let told: Vec<String> = told.iter().map(u64::to_string).collect();
        if !self.has_lost && waiting != told {
            self.bad.push(format!("to be delivered: {waiting:?}, told {told:?}"));
        }
    }

    fn check_clients(&mut self) {
        let clients = 0..self.clients.all.len();
        let bad: Vec<String> = clients
            .flat_map(|it| {
                [
                    self.repeats_and_order(it),
                    self.plain_repeats(it),
                    self.broken_promises(it),
                    self.unheeded_verdicts(it),
                ]
                .concat()
            })
            .collect();
        self.bad.extend(bad);
    }

    /// Nothing comes twice or out of order, unless the client was told that it begins anew: a node may be behind the one that
    /// it was at before.
    fn repeats_and_order(&self, number: usize) -> Vec<String> {
        let client = &self.clients.all[number];
        let mut bad = Vec::new();
        let (mut here, mut order) = (BTreeSet::new(), BTreeMap::new());
        for (place, event) in client.got.iter().enumerate() {
            if client.breaks.iter().any(|it| it.had == place) {
                here.clear();
                order.clear();
            }
            let it = &self.events[*event];
            if !here.insert(*event) {
                bad.push(format!("twice: event {event} ({it:?}) at client {number}"));
            }
            let is_taken = it.answer == Answer::Taken;
            if is_taken && order.insert(it.caller, *event).is_some_and(|before| *event < before) {
                bad.push(format!("order: event {event} of {} at client {number}", it.caller));
            }
        }
        bad
    }

    /// What has no number comes once to a connection, and what one node was asked for in that order.
    fn plain_repeats(&self, number: usize) -> Vec<String> {
        let mut bad = Vec::new();
        let (mut here, mut order) = (BTreeSet::new(), BTreeMap::new());
        for (socket, event) in &self.clients.all[number].plain {
            let it = &self.events[*event];
            if !here.insert((*socket, *event)) {
                bad.push(format!("twice: plain event {event} ({it:?}) at client {number}"));
            }
            let is_taken = it.answer == Answer::Taken && !it.caller.is_multiple_of(2);
            let key = (*socket, it.caller, it.boot);
            if is_taken && order.insert(key, *event).is_some_and(|before| *event < before) {
                bad.push(format!("order: plain event {event} ({it:?}) at client {number}"));
            }
        }
        bad
    }

    /// Nobody was told that nothing is missing where something is.
    fn broken_promises(&self, number: usize) -> Vec<String> {
        let client = &self.clients.all[number];
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        for (place, event) in client.got.iter().enumerate() {
            places.entry(*event).or_insert(place);
        }
        let mut bad = Vec::new();
        for promise in &client.promises {
            let has = |event: usize| places.get(&event).is_some_and(|it| *it < promise.had);
            let is_kept = |event: usize, it: &SimEvent| {
                let hears = self.clients.hears(number, it.audience)
                    && !self.may_be_out(number, it.audience, promise);
                !hears || has(event) || !self.is_promised(it, promise)
            };
            let broken = self.events.iter().enumerate().filter(|(event, it)| !is_kept(*event, it));
            bad.extend(broken.map(|(event, it)| {
                let (from, to) = (promise.from, promise.to);
                format!("lost: event {event} ({it:?}) of client {number}, which has all of {from} to {to}")
            }));
        }
        bad
    }

    /// An event that was answered for; or one without a number, if it was known that the client was away meanwhile, or its node
    /// handed it out to nobody's connection; and if that stood in the log by the time it came back.
    fn is_promised(&self, it: &SimEvent, promise: &Promise) -> bool {
        // What is decided is not for clients either.
        if it.is_plain {
            return false;
        }
        let (away, asked) = (promise.away, promise.asked);
        let was_away = away.noticed.is_some_and(|noticed| noticed < it.at)
            || (away.since < it.at && away.from == (it.node, it.boot));
        let is_in_hole = was_away && it.marked.is_some_and(|marked| marked < asked);
        let is_in_log = it.place.as_ref().is_some_and(|(epoch, number)| {
            *epoch == promise.epoch && (promise.from + 1..=promise.to).contains(number)
        });
        (is_in_hole && !self.has_lost) || (is_in_log && it.answer == Answer::Taken)
    }
}
