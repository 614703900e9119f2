//! The files of the data folder: what stays in it, and what is refused.

use super::{KEEP, config, database, hooks, online, open, record};
use crate::store::{OpenError, Store};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;
use tempfile::TempDir;

#[tokio::test]
async fn after_a_clean_stop_the_folder_holds_the_database_and_its_lock() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    record(&store, online("ann", 1)).await;
    store.flush().await.unwrap();
    assert_eq!(store.events().head().await.unwrap(), 1);

    store.close().await;

    assert_eq!(files(&dir), ["lock", "userline.sqlite"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_database_that_is_empty_or_missing_is_refused_if_it_was_whole_once() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    record(&store, online("ann", 1)).await;
    store.close().await;
    let path = dir.path().join("userline.sqlite");
    let whole = fs::read(&path).unwrap();
    // What may be left of it after a fault of the disk, and its log beside it.
    fs::write(dir.path().join("userline.sqlite-wal"), "log").unwrap();

    File::create(&path).unwrap();
    assert_refused(&dir);
    fs::remove_file(&path).unwrap();
    assert_refused(&dir);
    assert!(!path.exists(), "nothing is made that could be taken for a database");
    assert_eq!(fs::read(dir.path().join("userline.sqlite-wal")).unwrap(), b"log");

    fs::remove_file(dir.path().join("userline.sqlite-wal")).unwrap();
    fs::write(&path, whole).unwrap();
    let (store, recovered) = open(&dir, &hooks(&[]));
    assert_eq!(recovered.sessions.len(), 1, "a restored one is taken");
    store.close().await;

    fs::remove_file(&path).unwrap();
    fs::remove_file(dir.path().join("lock")).unwrap();
    assert_eq!(open(&dir, &hooks(&[])).1.sessions, [], "without the mark, one begins with nothing");
}

#[tokio::test]
async fn a_database_without_tables_is_refused_if_it_was_whole_once() {
    let dir = TempDir::new().unwrap();
    open(&dir, &hooks(&[])).0.close().await;
    fs::remove_file(dir.path().join("userline.sqlite")).unwrap();
    database(&dir).pragma_update(None, "journal_mode", "WAL").unwrap();
    assert!(0 < fs::metadata(dir.path().join("userline.sqlite")).unwrap().len());

    assert_refused(&dir);
}

#[tokio::test]
async fn a_kill_in_the_very_first_start_leaves_what_the_next_one_takes() {
    let dir = TempDir::new().unwrap();
    File::create(dir.path().join("lock")).unwrap();
    File::create(dir.path().join("userline.sqlite")).unwrap();

    let (store, _) = open(&dir, &hooks(&[]));

    store.flush().await.unwrap();
}

#[track_caller]
fn assert_refused(dir: &TempDir) {
    let refused = Store::open(&config(dir, KEEP), &hooks(&[])).unwrap_err();
    assert!(matches!(refused, OpenError::Emptied { .. }), "{refused:?}");
    let text = refused.to_string();
    assert!(text.contains(&dir.path().display().to_string()), "{text}");
    assert!(text.contains("delete `lock`"), "{text}");
}

fn files(dir: &TempDir) -> BTreeSet<String> {
    let files = fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().path());
    let name = |it: PathBuf| it.file_name().unwrap().to_string_lossy().into_owned();
    files.map(name).collect()
}
