//! What is told of sockets, against a naive model: a list of what happened, in that order.

use super::{GRACE, id, socket};
use crate::clock::Clock;
use crate::config::{Coalesce, HooksConfig, PresenceConfig, StoreConfig};
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::deadlines::Deadlines;
use crate::presence::Presence;
use crate::store::Store;
use crate::types::{Namespace, Reason, Seq, SocketPortrait, UserId, WallMs};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const USERS: [&str; 2] = ["ann", "bob"];

#[derive(Debug, Clone)]
enum Step {
    Up(usize, u8),
    Down(usize, u8, bool),
    /// What its reminder means.
    Look(usize),
    Wait,
    TellAll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = || 0..USERS.len();
    let step = prop_oneof![
        4 => (user(), 0..4_u8).prop_map(|(user, n)| Step::Up(user, n)),
        4 => (user(), 0..4_u8, any::<bool>()).prop_map(|(user, n, skip)| Step::Down(user, n, skip)),
        3 => user().prop_map(Step::Look),
        2 => Just(Step::Wait),
        1 => Just(Step::TellAll),
    ];
    proptest::collection::vec(step, 1..40)
}

struct World {
    presence: Presence<u8>,
    store: Store,
    deadlines: Deadlines,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        let (folder, keep) = (TempDir::new().unwrap(), Duration::from_hours(1));
        let data_dir = folder.path().to_owned();
        let kept = StoreConfig { data_dir, keep_events: keep, keep_items: keep };
        let hooks = HooksConfig {
            endpoints: Vec::new(),
            timeout: keep,
            retry_for: keep,
            concurrency: 1,
            reject_after: 1,
            allow_private: false,
            coalesce: Coalesce::None,
            backlog_max: 1,
            identity: false,
            sockets: true,
            batch_max: 1,
            ca: Vec::new(),
        };
        let (store, _) = Store::open(&kept, &hooks).unwrap();
        let config = PresenceConfig { grace: GRACE, startup_grace: GRACE, sweep_interval: GRACE };
        let clock = Clock::start(Seq(0));
        let deadlines = Deadlines::new(clock.clone());
        let presence = Presence::new(config, store.presence(), deadlines.clone(), clock)
            .telling_of_sockets(|n| portrait(*n));
        Self { presence, store, deadlines, _folder: folder }
    }

    async fn take(&self, step: &Step) {
        match *step {
            Step::Up(user, n) => {
                let place = self.presence.reserve().await.unwrap();
                self.presence.up(&name(user), (socket(n), n), place, || true);
            }
            Step::Down(user, n, skip) => {
                let grace = if skip { Grace::Skip } else { Grace::Keep };
                self.presence.down(&name(user), socket(n), Reason::Kicked, grace);
            }
            Step::Look(user) => {
                let place = self.presence.reserve().await.unwrap();
                self.presence.expire(name(user), place);
            }
            Step::Wait => tokio::time::advance(GRACE + Duration::from_secs(1)).await,
            Step::TellAll => self.presence.tell_all().await.unwrap(),
        }
    }
}

fn portrait(n: u8) -> SocketPortrait {
    SocketPortrait {
        id: socket(n),
        namespace: Namespace::root(),
        device: None,
        address: [127, 0, 0, n].into(),
        user_agent: None,
        transport: "websocket",
        connected_at: WallMs(0),
        granted: None,
        attached: None,
    }
}

fn name(user: usize) -> UserId {
    id(USERS[user])
}

/// What was told of each user: types, and of sockets which.
async fn told(store: &Store) -> BTreeMap<UserId, Vec<(String, Option<String>)>> {
    store.flush().await.unwrap();
    let mut told = BTreeMap::new();
    for event in store.events().page(0, 1000).await.unwrap().items {
        let body: serde_json::Value = serde_json::from_str(&event.body).unwrap();
        let socket = body["data"]["socket"].as_str().map(str::to_owned);
        told.entry(event.user).or_insert_with(Vec::new).push((event.hook_type, socket));
    }
    told
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn whatever_happens_is_told_once_and_in_its_order(steps in steps()) {
        runtime().block_on(async {
            let world = World::new();
            let mut here: BTreeMap<usize, BTreeSet<u8>> = BTreeMap::new();
            let mut expected: BTreeMap<UserId, Vec<(String, Option<String>)>> = BTreeMap::new();
            for step in &steps {
                let before = |user| world.presence.here(&name(user)).0;
                let was = USERS.iter().enumerate().map(|(user, _)| before(user)).collect::<Vec<_>>();
                world.take(step).await;
                let mut tell = |user: usize, kind: &str, n: Option<u8>| {
                    let socket = n.map(|n| socket(n).to_string());
                    expected.entry(name(user)).or_default().push((kind.to_owned(), socket));
                };
                match *step {
                    Step::Up(user, n) => {
                        if was[user] == PresenceStatus::Offline {
                            tell(user, "user.online", None);
                        }
                        if here.entry(user).or_default().insert(n) {
                            tell(user, "socket.connected", Some(n));
                        }
                    }
                    Step::Down(user, n, _) => {
                        if here.entry(user).or_default().remove(&n) {
                            tell(user, "socket.disconnected", Some(n));
                        }
                    }
                    Step::Look(user) => {
                        let is = world.presence.here(&name(user)).0;
                        if was[user] != PresenceStatus::Offline && is == PresenceStatus::Offline {
                            tell(user, "user.offline", None);
                        }
                    }
                    Step::Wait | Step::TellAll => {}
                }
            }
            world.presence.tell_all().await.unwrap();

            assert_eq!(told(&world.store).await, expected);
        });
    }
}

#[test]
fn nobody_is_told_of_the_sockets_of_guests_if_nobody_is_told_of_guests() {
    runtime().block_on(async {
        let mut world = World::new();
        world.presence = world.presence.clone().silent_about_guests();
        let guest = UserId::guest([7; 16]);

        let place = world.presence.reserve().await.unwrap();
        world.presence.up(&guest, (socket(1), 1), place, || true);
        world.presence.down(&guest, socket(1), Reason::SignedIn, Grace::Skip);
        let place = world.presence.reserve().await.unwrap();
        world.presence.expire(guest.clone(), place);

        assert!(told(&world.store).await.is_empty());
        assert_eq!(world.presence.here(&guest).0, PresenceStatus::Offline);
    });
}

#[test]
fn somebody_sees_to_it_that_the_end_of_a_socket_is_told_while_others_are_here() {
    runtime().block_on(async {
        let world = World::new();
        for n in 1..=3 {
            world.take(&Step::Up(0, n)).await;
        }

        world.take(&Step::Down(0, 1, false)).await;
        assert_eq!(world.deadlines.len(), 1);
        world.take(&Step::Down(0, 2, false)).await;
        assert_eq!(world.deadlines.len(), 1, "it tells both");
        world.take(&Step::Look(0)).await;

        assert_eq!(told(&world.store).await[&name(0)].len(), 6);
    });
}
