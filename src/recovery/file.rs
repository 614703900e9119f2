//! What survives a graceful restart: `recovery.json` in the data folder.
//!
//! One JSON object: `version` (1), `saved_at` (milliseconds since the Unix epoch), `namespaces`: of each its `name`,
//! the `life`, the `last` number and the `entries` of its log (`number`, `frame` in base64, `to`, `except`), and its
//! `sessions` (`pid`, `user`, `rooms`, `ids`, `device`, `joined`, `by_client`, `left`, `since`: rooms with the number after which each was entered,
//! `began_at`, `addressed`, `cut_off_at`). It holds session secrets, so only
//! its owner may read it, and it is removed when it is read: nothing in it counts twice. It is written under another
//! name and renamed when it is whole.

use super::session_json::{SessionJson, ids, rooms, texts};
use crate::core::emit::audience::Audience;
use crate::core::recovery::{Dump, LogEntry};
use crate::types::{DeviceId, Except, Namespace, Target, Timestamp, UserId, WallMs};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fs;
use std::fs::OpenOptions;
use std::io::{self, BufReader, BufWriter};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

const NAME: &str = "recovery.json";
/// The file while it is being written.
const NEW: &str = "recovery.json.new";
const VERSION: u32 = 1;

/// What was written down.
#[derive(Debug)]
pub(super) struct Saved {
    pub(super) saved_at: WallMs,
    pub(super) dumps: Vec<(Namespace, Dump)>,
}

/// Why the file could not be written or read. Clients then come back without recovery.
#[derive(Debug, Error)]
#[error("{path}: {source}")]
pub struct RecoveryFileError {
    path: PathBuf,
    source: io::Error,
}

#[derive(Serialize, Deserialize)]
struct FileJson {
    version: u32,
    saved_at: u64,
    namespaces: Vec<NamespaceJson>,
}

#[derive(Serialize, Deserialize)]
struct NamespaceJson {
    name: String,
    life: u64,
    last: u64,
    entries: Vec<EntryJson>,
    sessions: Vec<SessionJson>,
}

#[derive(Serialize, Deserialize)]
struct EntryJson {
    number: u64,
    frame: String,
    to: NamesJson,
    except: NamesJson,
}

#[derive(Serialize, Deserialize)]
struct NamesJson {
    users: Vec<String>,
    rooms: Vec<String>,
    sockets: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    devices: Vec<String>,
    all: bool,
}

pub(super) fn save<'a>(
    data_dir: &Path,
    dumps: impl Iterator<Item = (&'a Namespace, Dump)>,
    saved_at: WallMs,
) -> Result<(), RecoveryFileError> {
    let path = data_dir.join(NAME);
    let namespaces = dumps.map(|(name, dump)| namespace_json(name, dump)).collect();
    let json = FileJson { version: VERSION, saved_at: saved_at.0, namespaces };
    let write = || -> io::Result<()> {
        let new = data_dir.join(NEW);
        remove_if_there(&new)?;
        // Whatever stands there is not ours, so its mode, or where it links to, is not trusted.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        let mut file = BufWriter::new(file);
        serde_json::to_writer(&mut file, &json)?;
        file.into_inner()?.sync_all()?;
        fs::rename(&new, &path)?;
        fs::File::open(data_dir)?.sync_all()
    };
    write().map_err(|source| RecoveryFileError { path: path.clone(), source })
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Reads the file and removes it; `None` if there is none.
pub(super) fn take(data_dir: &Path) -> Result<Option<Saved>, RecoveryFileError> {
    let path = data_dir.join(NAME);
    let read = || -> io::Result<Option<FileJson>> {
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        fs::remove_file(&path)?;
        Ok(Some(serde_json::from_reader(BufReader::new(file))?))
    };
    let json = read().map_err(|source| RecoveryFileError { path: path.clone(), source })?;
    Ok(json.filter(|json| json.version == VERSION).map(|json| Saved {
        saved_at: WallMs(json.saved_at),
        dumps: json.namespaces.into_iter().filter_map(namespace).collect(),
    }))
}

fn namespace_json(name: &Namespace, dump: Dump) -> NamespaceJson {
    let Dump { life, last, entries, sessions } = dump;
    let entry = |entry: LogEntry| EntryJson {
        number: entry.number,
        frame: STANDARD.encode(&entry.frame),
        to: names_json(&entry.audience.target),
        except: {
            let Except { users, rooms, sockets, devices } = entry.audience.except.clone();
            let names = names_json(&Target { users, rooms, sockets, all: false });
            NamesJson { devices: texts(&devices), ..names }
        },
    };
    NamespaceJson {
        name: name.to_string(),
        life,
        last,
        entries: entries.into_iter().map(entry).collect(),
        sessions: sessions.iter().map(|(pid, it)| SessionJson::of(pid, it)).collect(),
    }
}

fn names_json(target: &Target) -> NamesJson {
    NamesJson {
        users: texts(&target.users),
        rooms: texts(&target.rooms),
        sockets: texts(&target.sockets),
        devices: Vec::new(),
        all: target.all,
    }
}

/// What cannot be understood is left out: a client that needs it is told that it was not recovered.
fn namespace(json: NamespaceJson) -> Option<(Namespace, Dump)> {
    let name = Namespace::parse(&json.name).ok()?;
    let entries: Option<Vec<LogEntry>> =
        json.entries.into_iter().map(|it| entry(&name, it)).collect();
    let sessions = json.sessions.into_iter().filter_map(SessionJson::session).collect();
    let NamespaceJson { life, last, .. } = json;
    Some((name, Dump { life, last, entries: entries?, sessions }))
}

fn entry(namespace: &Namespace, json: EntryJson) -> Option<LogEntry> {
    let Target { users, rooms, sockets, .. } = target(&json.except)?;
    let devices = json.except.devices.iter().map(|it| DeviceId::parse(it).ok());
    let except = Except { users, rooms, sockets, devices: devices.collect::<Option<_>>()? };
    let audience = Audience { namespace: namespace.clone(), target: target(&json.to)?, except };
    let frame = STANDARD.decode(json.frame).ok()?.into();
    let at = Timestamp::default();
    Some(LogEntry { number: json.number, at, audience: Arc::new(audience), frame })
}

fn target(json: &NamesJson) -> Option<Target> {
    Some(Target {
        users: json.users.iter().map(|it| UserId::parse(it).ok()).collect::<Option<_>>()?,
        rooms: rooms(&json.rooms)?,
        sockets: ids(&json.sockets)?,
        all: json.all,
    })
}

#[cfg(test)]
mod tests;
