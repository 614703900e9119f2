//! How the file is written.

use super::{Saved, save, take};
use crate::core::emit::audience::Audience;
use crate::core::recovery::{Detached, Dump, Entry, Member, Pid};
use crate::types::{
    DeviceId, Except, Namespace, Room, SocketId, Target, Timestamp, UserId, WallMs,
};
use bytes::Bytes;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

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
    let entry = Entry {
        number: 9,
        at: Timestamp::default(),
        audience: Arc::new(audience.clone()),
        frame: Bytes::from_static(b"frame"),
    };
    let named = |device| Detached {
        member: Member {
            user: ann.clone(),
            rooms: vec![room("org:7")],
            ids: vec![id(3), id(4)],
            device,
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
