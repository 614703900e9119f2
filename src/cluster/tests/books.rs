//! Books: copies on three nodes, of which each changes what it knows, while answers are lost, commands come late, changes are
//! cut off and Redis loses what it had.

use super::parts::Random;
use super::random::number;
use super::server::{Snapshot, TestRedis, place};
use crate::cluster::{ClusterPlace, reply};
use crate::core::cluster::book::{
    BookAsk, BookName, BookNews, BookProgress, BookQuestion, BookReader, BookWrite,
};
use crate::core::cluster::command::{Command, Reply};
use crate::types::UserId;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

const NODES: usize = 3;
const RECORDS_MAX: usize = 5;
const STEPS: usize = 300;

type Records = BTreeMap<String, Bytes>;

/// A node, with what it is about to change.
#[derive(Default)]
struct BookNode {
    reader: BookReader,
    copy: Records,
    /// A change that is not known to be made.
    wanted: Option<Wanted>,
    changes: usize,
}

#[derive(Clone)]
struct Wanted {
    user: UserId,
    name: String,
    is_removal: bool,
}

struct World {
    redis: TestRedis,
    place: ClusterPlace,
    now: u64,
    random: Random,
    nodes: Vec<BookNode>,
    /// What was said and not heard, and may be done at any later time.
    late: Vec<Command>,
    saved: Option<Snapshot>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            redis: TestRedis::start(|_, text| text),
            place: place(),
            now: 1_700_000_000_000_000,
            random: Random::new(seed),
            nodes: (0..NODES).map(|_| BookNode::default()).collect(),
            late: Vec::new(),
            saved: None,
        }
    }

    fn run(&mut self, command: &Command) -> Reply {
        self.now += 1 + u64::try_from(self.random.below(3)).unwrap();
        let value = self.redis.run(&self.place.call(command), self.now);
        reply(command, &value).unwrap()
    }

    /// One question of a node, and what comes of it; an answer may be lost, and the question come too late.
    fn ask(
        &mut self,
        node: usize,
        write: Option<&BookWrite>,
        is_faulty: bool,
    ) -> Option<BookProgress> {
        let what = self.nodes[node].reader.ask(write);
        let command = Command::Book(BookQuestion { book: BookName::Restrictions, what });
        if is_faulty && self.random.chance(15) {
            self.late.push(command);
            return None;
        }
        let Reply::Book(reply) = self.run(&command) else { panic!("{command:?}") };
        if is_faulty && self.random.chance(15) {
            return None;
        }
        let node = &mut self.nodes[node];
        let (news, progress) = node.reader.take(write, reply);
        for news in news {
            match news {
                BookNews::Loaded(records) => node.copy = records,
                BookNews::Changed(change) => {
                    for (record, value) in change.records {
                        match value {
                            Some(value) => node.copy.insert(record, value),
                            None => node.copy.remove(&record),
                        };
                    }
                }
            }
        }
        Some(progress)
    }

    /// Names that a record bears.
    fn names(value: Option<&Bytes>) -> Vec<String> {
        let text = value.map(|it| String::from_utf8(it.to_vec()).unwrap()).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// What is to be written; `None` if the copy says that it is so already.
    fn plan(&self, node: usize) -> Option<BookWrite> {
        let BookNode { wanted, copy, .. } = &self.nodes[node];
        let Wanted { user, name, is_removal } = wanted.clone()?;
        let mut names = Self::names(copy.get(user.as_str()));
        if names.contains(&name) || (is_removal && names.is_empty()) {
            return None;
        }
        names.push(name.clone());
        let value = (!is_removal).then(|| Bytes::from(names.join(" ")));
        let records = vec![(user.as_str().to_owned(), value)];
        Some(BookWrite {
            user,
            name: name.as_str().into(),
            note: "as it is",
            records,
            records_max: RECORDS_MAX,
        })
    }

    fn step(&mut self) {
        let node = self.random.below(NODES);
        match self.random.below(100) {
            0 => self.redis.flush(),
            1..4 => self.saved = Some(self.redis.snapshot()),
            4 => {
                if let Some(saved) = self.saved.clone() {
                    self.redis.restore(&saved);
                }
            }
            // As if thousands had changed.
            5..9 => {
                let key = self.place.key("changes:restrictions");
                let _cut: u64 = self.redis.ask(&["XTRIM", &key, "MAXLEN", "1"]);
            }
            9..14 => {
                if !self.late.is_empty() {
                    let at = self.random.below(self.late.len());
                    let late = self.late.remove(at);
                    // Nobody hears what it is answered, but what it did counts if the node goes on to ask for it.
                    drop(self.run(&late));
                }
            }
            // The process is killed, and starts again.
            14 => {
                self.nodes[node] =
                    BookNode { changes: self.nodes[node].changes + 1000, ..BookNode::default() }
            }
            // Nobody asks while a change is under way.
            15..40 if self.nodes[node].wanted.is_none() => drop(self.ask(node, None, true)),
            _ => self.change(node),
        }
    }

    fn change(&mut self, node: usize) {
        if self.nodes[node].wanted.is_none() {
            let user = format!("u{}", self.random.below(RECORDS_MAX + 2));
            let name = format!("n{node}.{}", self.nodes[node].changes);
            self.nodes[node].changes += 1;
            let is_removal = self.random.chance(30);
            self.nodes[node].wanted =
                Some(Wanted { user: UserId::parse(&user).unwrap(), name, is_removal });
        }
        let write = self.plan(node);
        match self.ask(node, write.as_ref(), true) {
            Some(BookProgress::Written(_) | BookProgress::Full) => self.nodes[node].wanted = None,
            Some(BookProgress::Current) if write.is_none() && self.plan(node).is_none() => {
                self.nodes[node].wanted = None;
            }
            Some(BookProgress::More | BookProgress::Current | BookProgress::Again { .. })
            | None => {}
        }
    }

    fn check(&mut self, seed: u64) {
        for node in 0..NODES {
            while self.nodes[node].wanted.is_some() {
                self.change(node);
            }
        }
        let all: BTreeMap<String, String> =
            self.redis.ask(&["HGETALL", &self.place.key("book:restrictions")]);
        assert!(all.len() <= RECORDS_MAX, "seed {seed}: {all:?}");
        for value in all.values() {
            let names: Vec<&str> = value.split_whitespace().collect();
            let once: BTreeSet<&&str> = names.iter().collect();
            assert_eq!(once.len(), names.len(), "seed {seed}: made twice: {value}");
        }
        for node in 0..NODES {
            while self.ask(node, None, false) != Some(BookProgress::Current) {}
            let copy = self.nodes[node].copy.iter();
            let copy: BTreeMap<String, String> =
                copy.map(|(k, v)| (k.clone(), String::from_utf8(v.to_vec()).unwrap())).collect();
            assert_eq!(copy, all, "seed {seed}: node {node}");
        }
    }
}

#[test]
fn copies_are_what_is_written_and_each_change_is_made_once() {
    let first = number("USERLINE_TEST_SEED", 1);
    for seed in first..first + number("USERLINE_TEST_SEEDS", 30) {
        let mut world = World::new(seed);
        for step in 0..STEPS {
            world.step();
            if step % 20 == 0 {
                world.check(seed);
            }
        }
        world.check(seed);
    }
}

/// Without losses a change is made of what is there, so nothing that another node has made is undone.
#[test]
fn a_change_goes_on_from_all_that_was_made_before() {
    let mut world = World::new(7);
    let key = world.place.key("book:restrictions");
    let mut made = Vec::new();
    while made.len() < 60 {
        let node = world.random.below(NODES);
        if world.nodes[node].wanted.is_none() {
            let name = format!("n{node}.{}", world.nodes[node].changes);
            world.nodes[node].changes += 1;
            let user = UserId::parse("ann").unwrap();
            world.nodes[node].wanted = Some(Wanted { user, name, is_removal: false });
        }
        let write = world.plan(node);
        if let Some(BookProgress::Written(_)) = world.ask(node, write.as_ref(), true) {
            made.push(world.nodes[node].wanted.take().unwrap().name);
        }
    }
    let all: BTreeMap<String, Bytes> = world.redis.ask(&["HGETALL", &key]);
    let names = World::names(all.get("ann"));
    assert!(made.iter().all(|it| names.contains(it)), "{made:?} {names:?}");
}

#[test]
fn the_bound_is_that_of_all_nodes() {
    let mut world = World::new(3);
    let mut write = |node: usize, user: &str, value: Option<&str>| {
        world.nodes[node].wanted = Some(Wanted {
            user: UserId::parse(user).unwrap(),
            name: format!("{user}{node}{value:?}"),
            is_removal: value.is_none(),
        });
        loop {
            let plan = world.plan(node);
            match world.ask(node, plan.as_ref(), false).unwrap() {
                BookProgress::Written(_) => return true,
                BookProgress::Full => return false,
                BookProgress::More | BookProgress::Current | BookProgress::Again { .. } => {}
            }
        }
    };
    for user in 0..RECORDS_MAX {
        assert!(write(user % NODES, &format!("u{user}"), Some("x")));
    }
    assert!(!write(0, "more", Some("x")));
    assert!(write(1, "u0", Some("y")), "one that is there may be another");
    assert!(write(2, "u1", None));
    assert!(write(0, "more", Some("x")));
}

#[test]
fn a_large_book_comes_page_by_page_while_it_changes() {
    let mut world = World::new(5);
    let key = world.place.key("book:restrictions");
    for at in 0..5000 {
        let _new: u64 = world.redis.ask(&["HSET", &key, &format!("u{at}"), "old"]);
    }
    let mut pages = 0;
    loop {
        if pages == 2 {
            // Another node, which has all of it, changes something.
            let user = UserId::parse("u17").unwrap();
            let records = vec![("u17".to_owned(), None), ("u18".to_owned(), Some("new".into()))];
            let write =
                BookWrite { user, name: "w".into(), note: "", records, records_max: 10_000 };
            let what = BookAsk::Changes { known: 0, write: Some(write) };
            drop(world.run(&Command::Book(BookQuestion { book: BookName::Restrictions, what })));
        }
        pages += 1;
        if world.ask(0, None, false) == Some(BookProgress::Current) {
            break;
        }
    }
    assert!(5 < pages, "{pages}");
    assert_eq!(world.nodes[0].copy.len(), 4999);
    assert_eq!(world.nodes[0].copy["u18"], "new");
}

#[test]
fn a_node_sees_whether_changes_are_lost_or_only_long_ago() {
    let mut world = World::new(7);
    let stream = world.place.key("changes:restrictions");
    let ids = |world: &mut World| -> Vec<String> {
        let entries: Vec<(String, Vec<String>)> = world.redis.ask(&["XRANGE", &stream, "-", "+"]);
        entries.into_iter().map(|it| it.0).collect()
    };
    let write = |world: &mut World, node: usize, user: &str| {
        world.nodes[node].wanted = Some(Wanted {
            user: UserId::parse(user).unwrap(),
            name: format!("{user} is new"),
            is_removal: false,
        });
        while world.nodes[node].wanted.is_some() {
            world.change(node);
        }
    };
    let follow = |world: &mut World, node: usize| loop {
        let progress = world.ask(node, None, false).unwrap();
        if progress != BookProgress::More {
            return progress;
        }
    };
    let again = |is_lost| BookProgress::Again { is_lost };
    assert_eq!(follow(&mut world, 1), BookProgress::Current);
    for user in ["u0", "u1", "u2"] {
        write(&mut world, 0, user);
    }
    assert_eq!(follow(&mut world, 1), BookProgress::Current);
    write(&mut world, 0, "u3");
    write(&mut world, 0, "u4");

    // What it knows and what came next are cut off, as too many changes would do.
    let kept = ids(&mut world).pop().unwrap();
    let _cut: u64 = world.redis.ask(&["XTRIM", &stream, "MINID", &kept]);
    assert_eq!(follow(&mut world, 1), again(false));
    assert_eq!(follow(&mut world, 1), BookProgress::Current);
    // One of those that it does not know yet is erased.
    write(&mut world, 0, "u0");
    write(&mut world, 0, "u1");
    let erased = ids(&mut world)[1].clone();
    let _erased: u64 = world.redis.ask(&["XDEL", &stream, &erased]);
    assert_eq!(follow(&mut world, 1), again(false));
    assert_eq!(follow(&mut world, 1), BookProgress::Current);

    // The newest is gone, as after a failover.
    let newest = ids(&mut world).pop().unwrap();
    let _gone: u64 = world.redis.ask(&["XDEL", &stream, &newest]);
    assert_eq!(follow(&mut world, 1), again(true));
    assert_eq!(follow(&mut world, 1), BookProgress::Current);
    // All is, and another node has said something new since.
    let _all: u64 = world.redis.ask(&["DEL", &stream]);
    write(&mut world, 0, "u2");
    assert_eq!(follow(&mut world, 1), again(true));
    assert_eq!(follow(&mut world, 1), BookProgress::Current);
}
