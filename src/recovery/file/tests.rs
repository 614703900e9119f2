//! How the file is written.

use super::{Saved, save, take};
use crate::core::recovery::Dump;
use crate::types::{Namespace, WallMs};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

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

fn dump() -> Dump {
    Dump { life: 7, last: 0, entries: vec![], sessions: vec![] }
}
