use super::{ClusterMember, MemberNeeds, MemberStatus};
use crate::clock::Clock;
use crate::cluster::link::LinkError;
use crate::cluster::tests::{TestRedis, cluster_config};
use crate::core::cluster::agreement::Agreement;
use crate::core::cluster::book::{BookAsk, BookName, BookQuestion};
use crate::core::cluster::facts::UserDeparture;
use crate::core::cluster::node::{NodeEffect, Numbering};
use crate::redis_server::RedisFailure;
use crate::tasks::Tasks;
use crate::types::{Reason, Seq, UserId, WallMs};
use bytes::Bytes;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

struct Node {
    member: ClusterMember,
    effects: mpsc::Receiver<NodeEffect>,
    tasks: Tasks,
}

impl Node {
    async fn join(redis: &TestRedis) -> Self {
        let needs = MemberNeeds {
            agreement: Agreement::default(),
            endpoints: vec!["hook".to_owned()],
            window: Duration::from_secs(10),
            events_kept: Duration::from_hours(72),
            grace_max: Duration::from_secs(10),
            clock: Clock::start(Seq(0)),
        };
        let tasks = Tasks::new();
        let (member, effects) = ClusterMember::join(&cluster_config(redis.url()), needs, &tasks);
        let attached = MemberStatus::Attached;
        let mut status = member.status();
        timeout(PATIENCE, status.wait_for(|it| *it == attached)).await.unwrap().unwrap();
        Self { member, effects, tasks }
    }

    /// The next effect that `pick` takes for something.
    async fn wait_for<T>(&mut self, pick: impl Fn(NodeEffect) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let effect = self.effects.recv().await.unwrap();
                if let Some(picked) = pick(effect) {
                    return picked;
                }
            }
        };
        timeout(PATIENCE, waiting).await.unwrap()
    }

    async fn hear(&mut self) -> (u64, Bytes) {
        self.wait_for(|effect| {
            if let NodeEffect::Heard { number, event, .. } = effect {
                Some((number, event))
            } else {
                None
            }
        })
        .await
    }

    /// Of whom it is known that a session is there.
    async fn user_told(&mut self) -> String {
        self.wait_for(|effect| {
            if let NodeEffect::Session { user, .. } = effect {
                Some(user.as_str().to_owned())
            } else {
                None
            }
        })
        .await
    }

    async fn session(&mut self) -> u64 {
        self.wait_for(|effect| {
            if let NodeEffect::Session { session, .. } = effect { Some(session) } else { None }
        })
        .await
    }
}

#[tokio::test]
async fn two_nodes_agree_on_the_session_of_a_user_and_on_the_order_of_events() {
    let mut redis = TestRedis::start(|_, text| text);
    let (mut a, mut b) = (Node::join(&redis).await, Node::join(&redis).await);
    let user = UserId::parse("u").unwrap();
    a.member.up(&user, None);
    let session = a.session().await;
    b.member.up(&user, None);
    assert_eq!(b.session().await, session);

    for text in ["1", "2", "3"] {
        let event = Bytes::from_static(text.as_bytes());
        a.member.append(event, Numbering::Numbered, |_| {}).unwrap();
    }
    for node in [&mut a, &mut b] {
        let mut last = session;
        for text in ["1", "2", "3"] {
            let (number, event) = node.hear().await;
            assert!(last < number && event == text);
            last = number;
        }
    }

    let departure = UserDeparture {
        grace: Duration::from_secs(10),
        reason: Reason::TransportClose,
        closed_at: WallMs(1),
    };
    a.member.down(&user, departure, None);
    b.member.up(&UserId::parse("v").unwrap(), None);
    b.session().await;
    let fields: Vec<String> = redis.ask(&["HKEYS", "userline:{test}:u:u"]);
    assert!(!fields.contains(&"r".to_owned()), "on node b it still is: {fields:?}");

    a.member.leave(departure);
    a.wait_for(|effect| (effect == NodeEffect::Left).then_some(())).await;
    let nodes: Vec<String> = redis.ask(&["HKEYS", "userline:{test}:nodes"]);
    assert_eq!(nodes.len(), 1);
    assert!(a.tasks.stop(PATIENCE).await && b.tasks.stop(PATIENCE).await);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_again_and_nothing_is_lost_or_comes_twice() {
    let mut redis = TestRedis::start(|_, text| text);
    let (mut a, mut b) = (Node::join(&redis).await, Node::join(&redis).await);
    let sending = a.member.clone();
    let send = async {
        for number in 0..300_u32 {
            let event = Bytes::from(number.to_string());
            sending.append(event, Numbering::Plain, |_| {}).unwrap();
            if number % 50 == 25 {
                let _: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
            }
            tokio::task::yield_now().await;
        }
    };
    let hear = async {
        for number in 0..300_u32 {
            let (_, event) = b.hear().await;
            assert_eq!(event, number.to_string());
        }
    };
    tokio::join!(send, hear);
    let history = timeout(PATIENCE, async {
        loop {
            if let Ok(history) = a.member.history().await {
                return history;
            }
            tokio::task::yield_now().await;
        }
    });
    let events: usize = history.await.unwrap().entries.iter().map(|it| it.events.len()).sum();
    assert_eq!(events, 300);
    assert_eq!(a.hear().await.1, "0");
    assert!(a.tasks.stop(PATIENCE).await && b.tasks.stop(PATIENCE).await);
}

#[tokio::test]
async fn what_one_node_tells_another_is_heard_there_alone_and_leaves_nothing_behind() {
    let mut redis = TestRedis::start(|_, text| text);
    let (mut a, mut b) = (Node::join(&redis).await, Node::join(&redis).await);
    let mut c = Node::join(&redis).await;
    let question = Bytes::from_static(b"?");
    a.member.append(question, Numbering::Plain, |_| {}).unwrap();
    let mut others = vec![b.member.name(), c.member.name()];
    others.sort();
    let taken =
        a.wait_for(
            |effect| {
                if let NodeEffect::Taken { others, .. } = effect { Some(others) } else { None }
            },
        );
    assert_eq!(taken.await.to_vec(), others, "whoever was there has to hear it");

    for node in [&mut b, &mut c] {
        let asker = node.wait_for(|effect| {
            if let NodeEffect::Heard { from, .. } = effect { Some(from) } else { None }
        });
        let asker = asker.await;
        for text in ["1", "2"] {
            assert!(
                node.member.tell(&asker, Bytes::from(format!("{} {text}", node.member.name())))
            );
        }
    }
    let mut told = Vec::new();
    while told.len() < 4 {
        let one = a.wait_for(|effect| {
            if let NodeEffect::Told { from, message } = effect {
                Some((from.node().to_owned(), message))
            } else {
                None
            }
        });
        let (from, message) = one.await;
        told.push((from, String::from_utf8(message.to_vec()).unwrap()));
    }
    told.sort();
    let expected = |name: &str| ["1", "2"].map(|it| (name.to_owned(), format!("{name} {it}")));
    assert_eq!(told, others.iter().flat_map(|it| expected(it)).collect::<Vec<_>>());

    let departure = UserDeparture {
        grace: Duration::from_secs(10),
        reason: Reason::TransportClose,
        closed_at: WallMs(1),
    };
    a.member.leave(departure);
    a.wait_for(|effect| (effect == NodeEffect::Left).then_some(())).await;
    let keys: Vec<String> = redis.ask(&["KEYS", "userline:{test}:to:*"]);
    assert_eq!(keys, Vec::<String>::new());
    for node in [a, b, c] {
        assert!(node.tasks.stop(PATIENCE).await);
    }
}

#[tokio::test]
async fn what_redis_refuses_to_answer_does_not_cost_the_node_its_place() {
    let mut redis = TestRedis::start(|_, text| text);
    let node = Node::join(&redis).await;
    let ask = || {
        let what = BookAsk::Records { cursor: 0 };
        node.member.book(BookQuestion { book: BookName::Restrictions, what })
    };
    ask().await.unwrap();
    let mut status = node.member.status();
    status.mark_unchanged();
    let incarnation = node.member.incarnation();
    let of_another_type = "userline:{test}:book:restrictions";
    redis.ask::<()>(&["SET", of_another_type, "a text"]);
    let refused = async || {
        for _ in 0..5 {
            ask().await.unwrap_err();
        }
    };
    refused().await;
    redis.ask::<()>(&["DEL", of_another_type]);
    redis.ask::<()>(&["ACL", "SETUSER", "default", "-hscan"]);
    refused().await;
    redis.ask::<()>(&["ACL", "SETUSER", "default", "+hscan"]);
    ask().await.unwrap();
    assert!(!status.has_changed().unwrap(), "{:?}", *status.borrow());
    assert_eq!(node.member.incarnation(), incarnation);
}

#[tokio::test]
async fn what_is_in_the_log_is_read_though_the_node_has_to_be_let_in_again_meanwhile() {
    let mut redis = TestRedis::start(|_, text| text);
    let node = Node::join(&redis).await;
    for turn in 0..50 {
        // The next batch finds out that this is another state, and what is asked beside it is not answered.
        let epoch = format!("e{turn}");
        let _set: u64 = redis.ask(&["HSET", "userline:{test}:meta", "epoch", &epoch]);
        node.member.up(&UserId::parse(&format!("u{turn}")).unwrap(), None);
        node.member.history().await.unwrap();
    }
    assert!(node.tasks.stop(PATIENCE).await);
}

/// Somebody else's value is under a key: what was said with it is not taken for said, and is said again until it is.
#[tokio::test]
async fn a_batch_that_redis_breaks_off_is_said_again() {
    let mut redis = TestRedis::start(|_, text| text);
    let mut node = Node::join(&redis).await;
    let mut status = node.member.status();
    redis.ask::<()>(&["SET", "userline:{test}:u:ann", "a text"]);

    node.member.up(&UserId::parse("ann").unwrap(), None);
    node.member.up(&UserId::parse("bob").unwrap(), None);
    node.member.append(Bytes::from_static(b"event"), Numbering::Numbered, |_| {}).unwrap();

    let is_broken_off = |it: &MemberStatus| {
        let MemberStatus::Degraded(Some(LinkError::Redis(why))) = it else { return false };
        matches!(why, RedisFailure::WrongType(_))
    };
    timeout(PATIENCE, status.wait_for(is_broken_off)).await.unwrap().unwrap();
    redis.ask::<()>(&["DEL", "userline:{test}:u:ann"]);
    let mut told = [node.user_told().await, node.user_told().await];
    told.sort();
    assert_eq!(told, ["ann", "bob"]);
    let events: Vec<(String, Vec<String>)> =
        redis.ask(&["XRANGE", "userline:{test}:events", "-", "+"]);
    assert_eq!(events.len(), 2, "each came online once");
    assert!(node.tasks.stop(PATIENCE).await);
}
