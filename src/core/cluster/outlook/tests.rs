//! What a node knows against a plain picture of the place where all agree, over random histories in which answers come late or not
//! at all, notes are cut, and the state is lost.

mod directed;

use super::{Outlook, OutlookAsk, SeenUser};
use crate::core::cluster::places::{MovedQuestion, MovedUsers, Places, UserPlaces, UserRooms};
use crate::types::{Namespace, Room, Timestamp, UserId};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const USERS: u8 = 4;

fn user(n: u8) -> UserId {
    UserId::parse(&format!("u{n}")).unwrap()
}

fn rooms(n: u8) -> UserRooms {
    let mut rooms = UserRooms::default();
    rooms.add(&Namespace::parse("/").unwrap(), [&Room::parse(&format!("r{n}")).unwrap()]);
    rooms
}

/// The place where all agree.
#[derive(Debug, Clone, Default)]
struct State {
    number: u64,
    users: BTreeMap<UserId, UserPlaces>,
    /// Above which number all notes are there; `None`: nobody listens.
    floor: Option<u64>,
    notes: BTreeMap<UserId, u64>,
    is_settled: bool,
}

impl State {
    fn moved(&mut self, user: &UserId) {
        self.number += 1;
        if self.floor.is_some() {
            self.notes.insert(user.clone(), self.number);
        }
    }

    /// As `moved.lua` answers.
    fn hear(&mut self, MovedQuestion { after, users_max }: MovedQuestion) -> MovedUsers {
        let floor = *self.floor.get_or_insert_with(|| {
            self.number += 1;
            self.notes.clear();
            self.number
        });
        let Some(after) = after.filter(|it| floor <= *it && *it <= self.number) else {
            return MovedUsers { number: self.number, users: None };
        };
        let mut found: Vec<(u64, UserId)> =
            self.notes.iter().map(|(user, at)| (*at, user.clone())).collect();
        found.retain(|(at, _)| after < *at);
        found.sort();
        found.truncate(users_max);
        let is_all = found.len() < users_max;
        let number = found.last().filter(|_| !is_all).map_or(self.number, |(at, _)| *at);
        MovedUsers { number, users: Some(found.into_iter().map(|(_, user)| user).collect()) }
    }

    fn look(&self, users: &[UserId]) -> Places {
        let of = |it| self.users.get(it).cloned().unwrap_or_default();
        Places { is_settled: self.is_settled, users: users.iter().map(of).collect() }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// A user is online, and its nodes have said this of its rooms.
    Up(u8, Vec<Option<u8>>),
    Off(u8),
    Watch(u8),
    Unwatch(u8),
    Want(u8),
    Release(u8),
    /// Something is asked, if nothing is.
    Ask,
    /// The question is done where all agree; the answer is under way.
    Do,
    /// The answer comes, or it does not.
    Answer(bool),
    Time(u16),
    /// Nobody listened for too long; too many notes.
    Deaf,
    Cut,
    /// The state is as it was once, and those who are there say so again.
    Lose,
    /// Everything is gone until it is said again.
    Empty,
}

fn step() -> impl Strategy<Value = Step> {
    let nodes = prop::collection::vec(prop::option::of(0_u8..3), 0..3);
    prop_oneof![
        8 => (0..USERS, nodes).prop_map(|(user, nodes)| Step::Up(user, nodes)),
        4 => (0..USERS).prop_map(Step::Off),
        4 => (0..USERS).prop_map(Step::Watch),
        1 => (0..USERS).prop_map(Step::Unwatch),
        3 => (0..USERS).prop_map(Step::Want),
        3 => (0..USERS).prop_map(Step::Release),
        10 => Just(Step::Ask),
        10 => Just(Step::Do),
        8 => Just(Step::Answer(true)),
        2 => Just(Step::Answer(false)),
        6 => (0_u16..300).prop_map(Step::Time),
        1 => Just(Step::Deaf),
        1 => Just(Step::Cut),
        1 => Just(Step::Lose),
        1 => Just(Step::Empty),
    ]
}

/// A question on its way.
enum Asked {
    Sent(OutlookAsk),
    Heard(OutlookAsk, MovedUsers),
    Seen(OutlookAsk, Places),
}

struct World {
    state: State,
    /// What was so some time ago.
    earlier: State,
    /// What is so, whatever the state has lost of it.
    truth: BTreeMap<UserId, UserPlaces>,
    outlook: Outlook,
    watched: BTreeSet<UserId>,
    wanted: Vec<u8>,
    asked: Option<Asked>,
    /// What those who watch have made of what they were told.
    told: BTreeMap<UserId, SeenUser>,
    now: u64,
}

impl World {
    fn new() -> Self {
        let state = State { is_settled: true, number: 1, ..State::default() };
        Self {
            earlier: state.clone(),
            state,
            truth: BTreeMap::new(),
            outlook: Outlook::default(),
            watched: BTreeSet::new(),
            wanted: Vec::new(),
            asked: None,
            told: BTreeMap::new(),
            now: 0,
        }
    }

    fn set(&mut self, of: u8, places: Option<UserPlaces>) {
        if let Some(places) = places {
            self.truth.insert(user(of), places.clone());
            self.state.users.insert(user(of), places);
        } else {
            self.truth.remove(&user(of));
            self.state.users.remove(&user(of));
        }
        self.state.moved(&user(of));
    }

    /// Nodes say again who is there, and then that is all.
    fn settle(&mut self) {
        let known: BTreeSet<UserId> =
            self.truth.keys().chain(self.state.users.keys()).cloned().collect();
        for it in known {
            let so = self.truth.get(&it).cloned();
            if self.state.users.get(&it) != so.as_ref() {
                match so {
                    Some(so) => self.state.users.insert(it.clone(), so),
                    None => self.state.users.remove(&it),
                };
                self.state.moved(&it);
            }
        }
        self.state.is_settled = true;
    }

    fn lose(&mut self, to: State) {
        let number = self.state.number;
        self.state = State { number, is_settled: false, ..to };
        // A new epoch, of which this node hears before it hears of anything else.
        self.outlook.renew();
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Up(of, nodes) => {
                let nodes = nodes.into_iter().map(|it| it.map(rooms)).collect();
                self.set(of, Some(UserPlaces { is_online: true, nodes }));
            }
            Step::Off(of) => {
                // Nobody is told to be gone before all have had the time to say who is there.
                self.settle();
                self.set(of, None);
            }
            Step::Watch(of) => {
                // Only whoever is known can be watched: that is waited for.
                if self.outlook.knows(&[user(of)]) && self.wanted.contains(&of) {
                    self.watched.insert(user(of));
                    self.told.insert(user(of), self.outlook.user(&user(of)).unwrap().clone());
                }
            }
            Step::Unwatch(of) => {
                self.watched.remove(&user(of));
                self.told.remove(&user(of));
            }
            Step::Want(of) => {
                self.outlook.want(&[user(of)]);
                self.wanted.push(of);
            }
            Step::Release(of) => {
                if let Some(at) = self.wanted.iter().position(|it| *it == of) {
                    self.wanted.remove(at);
                    self.outlook.release(&[user(of)]);
                }
            }
            Step::Ask if self.asked.is_none() => {
                if self.watched.is_empty() {
                    self.outlook.rest();
                }
                let ask = self.outlook.next(Timestamp(self.now), |it| self.watched.contains(it));
                self.asked = ask.map(Asked::Sent);
            }
            Step::Do => {
                self.asked = match self.asked.take() {
                    Some(Asked::Sent(OutlookAsk::Moved(question))) => {
                        let moved = self.state.hear(question);
                        Some(Asked::Heard(OutlookAsk::Moved(question), moved))
                    }
                    Some(Asked::Sent(OutlookAsk::Places(users))) => {
                        let places = self.state.look(&users);
                        Some(Asked::Seen(OutlookAsk::Places(users), places))
                    }
                    other => other,
                };
            }
            Step::Answer(comes) => self.answer(comes),
            Step::Time(ms) => self.now += u64::from(ms),
            Step::Deaf => self.state.floor = None,
            Step::Cut => {
                self.state.notes.clear();
                self.state.floor = self.state.floor.map(|_| self.state.number);
            }
            Step::Lose => {
                let earlier = std::mem::replace(&mut self.earlier, self.state.clone());
                self.lose(earlier);
            }
            Step::Empty => self.lose(State::default()),
            Step::Ask => {}
        }
    }

    fn answer(&mut self, comes: bool) {
        match self.asked.take() {
            Some(Asked::Sent(ask) | Asked::Heard(ask, _) | Asked::Seen(ask, _)) if !comes => {
                self.outlook.failed(ask);
            }
            Some(Asked::Heard(_, moved)) => self.outlook.heard(moved),
            Some(Asked::Seen(OutlookAsk::Places(users), places)) => {
                for it in self.outlook.looked(users, places) {
                    if self.watched.contains(&it) {
                        self.told.insert(it.clone(), self.outlook.user(&it).unwrap().clone());
                    }
                }
            }
            other => self.asked = other,
        }
    }

    /// Whoever watches knows what the node knows.
    fn check(&self) {
        for (it, seen) in &self.told {
            assert_eq!(self.outlook.user(it), Some(seen), "whoever watches {it} was not told");
        }
    }

    /// Nothing happens any more.
    fn rest(&mut self) {
        self.settle();
        for _ in 0..60 {
            for step in [Step::Ask, Step::Do, Step::Answer(true)] {
                self.step(step);
            }
            self.now += 50;
        }
        for (it, told) in &self.told {
            let so = self.truth.get(it).cloned().unwrap_or_default();
            assert_eq!(told.is_online, so.is_online, "{it}");
            let is_whole = so.nodes.iter().all(Option::is_some);
            // What a node has not said yet may be as before.
            if is_whole {
                assert_eq!(*told, SeenUser::from(so), "{it}");
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_lost_or_late_watchers_know_in_the_end_what_is_so(
        steps in prop::collection::vec(step(), 1..120)
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
            world.check();
        }
        world.rest();
    }
}
