//! Presence without connections: numbers stand for sockets.

mod news;

use super::{Place, Presence, UserStatus};
use crate::clock::Clock;
use crate::config::{Coalesce, HooksConfig, PresenceConfig, StoreConfig};
use crate::core::presence::session::{Grace, PresenceStatus};
use crate::deadlines::Deadlines;
use crate::store::Store;
use crate::types::{Reason, Seq, SocketId, UserId};
use futures_util::FutureExt as _;
use std::time::Duration;
use tempfile::TempDir;

const GRACE: Duration = Duration::from_secs(10);

struct Fixture {
    presence: Presence<u8>,
    deadlines: Deadlines,
    _folder: TempDir,
}

impl Fixture {
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
            sockets: false,
            batch_max: 1,
            ca: Vec::new(),
        };
        let (store, _) = Store::open(&kept, &hooks).unwrap();
        let config = PresenceConfig { grace: GRACE, startup_grace: GRACE, sweep_interval: GRACE };
        let clock = Clock::start(Seq(0));
        let deadlines = Deadlines::new(clock.clone());
        let presence = Presence::new(config, store.presence(), deadlines.clone(), clock);
        Self { presence, deadlines, _folder: folder }
    }

    fn place(&self) -> Place {
        let reserve = tokio::task::coop::unconstrained(self.presence.reserve());
        reserve.now_or_never().expect("there is room").unwrap()
    }

    fn up(&self, user: &str, n: u8) {
        self.presence.up(&id(user), (socket(n), n), self.place(), || true);
    }

    fn down(&self, user: &str, n: u8, grace: Grace) {
        self.presence.down(&id(user), socket(n), Reason::TransportClose, grace);
    }
}

fn id(user: &str) -> UserId {
    UserId::parse(user).unwrap()
}

fn socket(n: u8) -> SocketId {
    SocketId::from_bytes([n; SocketId::BYTES])
}

#[tokio::test(start_paused = true)]
async fn statuses_are_in_the_order_of_the_users_that_were_asked_for() {
    let it = Fixture::new();
    it.up("ann", 1);
    it.up("ann", 2);
    it.up("bob", 3);
    it.down("bob", 3, Grace::Keep);

    let statuses = it.presence.status(&["eve", "ann", "bob"].map(id)).await.unwrap();

    let [eve, ann, bob] = statuses[..] else { panic!("{statuses:?}") };
    assert_eq!(eve, UserStatus { status: PresenceStatus::Offline, sockets: 0 });
    assert!(matches!(ann, UserStatus { status: PresenceStatus::Online(_), sockets: 2 }));
    assert!(matches!(bob, UserStatus { status: PresenceStatus::Lingering(_), sockets: 0 }));
    assert_eq!(it.presence.sockets("ann")[..], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn what_is_attached_to_a_session_ends_with_it() {
    let it = Fixture::new();
    let attach = |text: &str| {
        let change = |before: Option<&str>| {
            Ok::<_, ()>(format!("{}{text}", before.unwrap_or_default()).into())
        };
        it.presence.attach(&id("ann"), it.place(), change).map(|it| it.unwrap().0)
    };
    let attached = || it.presence.attached(&id("ann"));
    assert_eq!(attach("a"), None, "offline");

    it.up("ann", 1);
    assert_eq!(attach("a").as_deref(), Some("a"));
    it.down("ann", 1, Grace::Keep);
    assert_eq!(attach("b").as_deref(), Some("ab"), "who lingers has a session");
    it.up("ann", 2);
    assert_eq!(attached().as_deref(), Some("ab"));

    it.down("ann", 2, Grace::Skip);
    it.presence.expire(id("ann"), it.place());
    it.up("ann", 3);
    assert_eq!(attached(), None);
}

#[tokio::test(start_paused = true)]
async fn a_user_is_erased_once_offline_and_not_before() {
    let it = Fixture::new();
    it.up("ann", 1);
    assert!(!it.presence.erase(&id("ann")), "still connected");
    it.down("ann", 1, Grace::Keep);
    assert!(!it.presence.erase(&id("ann")), "the offline was not told yet");
    assert_eq!(it.deadlines.len(), 1);

    it.presence.end_grace(&id("ann"), Reason::Kicked);
    it.presence.expire(id("ann"), it.place());

    assert_eq!(it.deadlines.len(), 2, "they mean nothing any more, but name the user");
    assert!(it.presence.erase(&id("ann")));
    assert!(it.deadlines.is_empty());
    assert!(it.presence.erase(&id("ann")), "there is nothing to erase");
}
