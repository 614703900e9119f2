//! How the file is written.

use super::{Saved, save, take};
use crate::core::emit::audience::Audience;
use crate::core::recovery::{
    DetachedSession, Dump, Live, LogEntry, Member, Newcomer, Pid, Recovery, RecoveryLimits,
    SessionClaim,
};
use crate::core::rooms::RoomMoves;
use crate::types::{
    DeviceId, Except, Namespace, Room, SocketId, Target, Timestamp, UserId, WallMs,
};
use bytes::Bytes;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;
use std::time::Duration;

const LIMITS: RecoveryLimits = RecoveryLimits {
    window: Duration::from_mins(2),
    events_max: 100,
    bytes_max: 100_000,
    sessions_max: 10,
    sessions_per_user: 10,
    replay_bytes_max: 10_000,
};

#[test]
fn the_file_is_for_its_owner_only_whatever_stood_there_before() {
    let dir = tempfile::tempdir().unwrap();
    let [path, new] = ["recovery.json", "recovery.json.new"].map(|it| dir.path().join(it));
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, "of somebody else").unwrap();
    for is_link in [false, true] {
        fs::write(&path, "of an earlier life").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        if is_link {
            symlink(&elsewhere, &new).unwrap();
        } else {
            fs::write(&new, "half").unwrap();
            fs::set_permissions(&new, fs::Permissions::from_mode(0o666)).unwrap();
        }

        let root = Namespace::root();
        save(dir.path(), [(&root, dump())].into_iter(), WallMs(5)).unwrap();

        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::exists(&new).unwrap());
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "of somebody else");
        let Saved { saved_at, dumps } = take(dir.path()).unwrap().unwrap();
        assert_eq!((saved_at, dumps.len(), dumps[0].1.life), (WallMs(5), 1, 7));
        assert!(!fs::exists(&path).unwrap(), "nothing in it counts twice");
    }
}

#[test]
fn all_that_decides_who_gets_what_is_kept() {
    let room = |text: &str| Room::parse(text).unwrap();
    let device = |text: &str| DeviceId::parse(text).unwrap();
    let id = |n| SocketId::from_bytes([n; SocketId::BYTES]);
    let ann = UserId::parse("ann").unwrap();
    let audience = Audience {
        namespace: Namespace::root(),
        target: Target {
            users: vec![ann.clone()],
            rooms: vec![room("org:7")],
            sockets: vec![id(1)],
            all: true,
        },
        except: Except {
            users: vec![UserId::parse("bob").unwrap()],
            rooms: vec![room("b")],
            sockets: vec![id(2)],
            devices: vec![device("d1"), device("d2")],
        },
    };
    let entry = LogEntry {
        number: 9,
        at: Timestamp::default(),
        audience: Arc::new(audience.clone()),
        frame: Bytes::from_static(b"frame"),
    };
    let named = |device| DetachedSession {
        member: Member {
            user: ann.clone(),
            rooms: vec![room("org:7")],
            ids: vec![id(3), id(4)],
            device,
            moves: RoomMoves {
                joined: [room("j")].into(),
                by_client: [room("j")].into(),
                left: [room("l")].into(),
                since: [(room("j"), 4)].into(),
            },
            anyway: [room("j")].into(),
        },
        began_at: 1,
        addressed: 2,
        cut_off_at: 3,
    };
    let sessions = vec![(Pid::new("p"), named(Some(device("d1")))), (Pid::new("q"), named(None))];
    let dump = Dump { life: 7, last: 9, entries: vec![entry], sessions: sessions.clone() };
    let dir = tempfile::tempdir().unwrap();

    save(dir.path(), [(&Namespace::root(), dump)].into_iter(), WallMs(5)).unwrap();
    let Saved { dumps, .. } = take(dir.path()).unwrap().unwrap();

    let (_, read) = &dumps[0];
    assert_eq!((read.life, read.last, &read.sessions), (7, 9, &sessions));
    assert_eq!((read.entries[0].number, &read.entries[0].frame[..]), (9, &b"frame"[..]));
    assert_eq!(*read.entries[0].audience, audience);
}

fn dump() -> Dump {
    Dump { life: 7, last: 0, entries: vec![], sessions: vec![] }
}

/// A socket for which the last event of the log was.
struct Returning(Member);

impl Live for Returning {
    fn id(&self) -> SocketId {
        self.0.ids[0]
    }

    fn user(&self) -> &UserId {
        &self.0.user
    }

    fn member(&self) -> Member {
        self.0.clone()
    }

    fn addressed(&self) -> u64 {
        7
    }
}

fn returning(user: &str, rooms: &[&str], device: Option<&str>) -> Returning {
    Returning(Member {
        user: UserId::parse(user).unwrap(),
        rooms: rooms.iter().map(|it| Room::parse(it).unwrap()).collect(),
        ids: vec![SocketId::from_bytes([9; SocketId::BYTES])],
        device: device.map(|it| DeviceId::parse(it).unwrap()),
        moves: RoomMoves::default(),
        anyway: [].into(),
    })
}

/// What the program wrote before offsets had forms: commit c6ae83d, with clients of three users.
#[test]
fn the_file_of_an_earlier_version_is_taken_up_with_the_places_that_its_clients_have() {
    let dir = tempfile::tempdir().unwrap();
    let written = include_str!("tests/fixtures/c6ae83d.json");
    fs::write(dir.path().join("recovery.json"), written).unwrap();
    let Saved { saved_at, dumps } = take(dir.path()).unwrap().unwrap();
    assert_eq!((saved_at, dumps.len()), (WallMs(1_795_649_820_390), 2));
    let mut recoveries = dumps.into_iter().map(|(namespace, dump)| {
        let mut it = Recovery::new(LIMITS, 1);
        it.restore(dump, Timestamp(0));
        (namespace.to_string(), it)
    });
    let [mut root, mut chat] = [recoveries.next().unwrap(), recoveries.next().unwrap()];
    assert_eq!((root.0.as_str(), chat.0.as_str()), ("/", "/chat"));

    let come_back = |it: &mut Recovery<_>, socket, pid: &str, offset| {
        let (pid, fresh) = (Pid::new(pid), Pid::new("fresh"));
        let newcomer = Newcomer { socket, fresh };
        let attached = it.attach(newcomer, Some(SessionClaim { pid: &pid, offset }), Timestamp(1));
        assert!(attached.outcome.is_recovered(), "{:?}", attached.outcome);
        let text = |it: &Bytes| String::from_utf8_lossy(&it[2..]).into_owned();
        attached.missed.iter().map(text).collect::<Vec<_>>()
    };
    let ann = || returning("ann", &["org:7", "news"], Some("phone"));
    let missed = [
        r#"42["n",1,"2offwpdfa8j07.2"]"#,
        r#"42["n",{"text":"ünïcode"},"2offwpdfa8j07.3"]"#,
        r#"42["n",3,"2offwpdfa8j07.4"]"#,
        r#"42["n",5,"2offwpdfa8j07.6"]"#,
    ];
    let pid = "L7qCyfjW4L5CiKUTkt6u48xj";
    assert_eq!(come_back(&mut root.1, ann(), pid, Some("2offwpdfa8j07.1")), missed);
    // Cut again: its place is one of before still.
    root.1.detach(&Pid::new(pid), ann().id(), Timestamp(2));
    assert_eq!(come_back(&mut root.1, ann(), pid, Some("2offwpdfa8j07.4")), missed[3..]);
    let eve = returning("eve", &["org:7"], None);
    let offset = Some("2offwpdfa8j07.0");
    let missed = [r#"42["n",4,"2offwpdfa8j07.5"]"#];
    assert_eq!(come_back(&mut root.1, eve, "-6MxDE6jH3XGJSXxxwp6MRWl", offset), missed);
    let bob = returning("bob", &[], None);
    let offset = Some("2offwpdfa8j07.7");
    assert!(come_back(&mut root.1, bob, "QqL1QhNStgKQxcs3ki4yAjQR", offset).is_empty());
    let missed = [r#"42/chat,["c",6,"36n9zpyecdxh7.1"]"#];
    assert_eq!(come_back(&mut chat.1, ann(), "IxOCFXIRjtX4BxvzYbk52_uT", None), missed);
    assert_eq!(root.1.head().to_string(), "A2offwpdfa8j07.7", "the log goes on");
}
