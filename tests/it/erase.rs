//! Whatever names a user can be erased, or ends by itself. The columns of the store are in `src/store/tests/erase.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// How what a file holds about users comes to its end.
enum Ends {
    /// The file has an `erase`.
    Erased,
    /// This other file erases it.
    ErasedBy(&'static str),
    /// It ends with this.
    With(&'static str),
}
use Ends::{Erased, ErasedBy, With};

/// The memories that name users. **A file that keeps users in a collection fails the test until it is here.** What names
/// them in another way (an answer that is remembered, a reminder) is listed by hand.
const MEMORIES: &[(&str, Ends)] = &[
    ("admin/emit/reply.rs", With("the answer to one request")),
    ("admin/emit/sending.rs", With("the answer to one request")),
    ("cluster/ledger.rs", With("the telling of some hooks, which ends in time")),
    ("core/backend/circuit.rs", With("the next success of the endpoint, or its circuit")),
    ("core/auth/resume_families.rs", Erased),
    ("core/cluster/bus/past.rs", With("the answer to one question of a node")),
    ("core/cluster/bus/words.rs", With("one question to other nodes")),
    ("core/cluster/command.rs", With("one question to Redis, and its answer")),
    (
        "core/cluster/facts.rs",
        With("the user's last socket here, and ten minutes after Redis knows"),
    ),
    ("core/cluster/known_hooks.rs", Erased),
    ("core/cluster/import.rs", With("one `userline cluster import`")),
    ("core/cluster/inboxes.rs", With("one question to Redis, and its answer")),
    ("core/cluster/ledger.rs", With("one question to Redis, and its answer")),
    ("core/cluster/outlook.rs", Erased),
    ("core/cluster/places.rs", With("one question to Redis, and its answer")),
    ("core/cluster/seats.rs", With("one question to Redis, and its answer")),
    (
        "core/cluster/sockets.rs",
        With("the user's last socket here, and ten minutes after Redis knows"),
    ),
    ("core/control/held_seats.rs", Erased),
    ("core/control/restrictions.rs", Erased),
    ("core/delivery/dispatch.rs", With("the answer to one hook request")),
    (
        "core/delivery/dispatch/user_queues.rs",
        With("the user's last undelivered hook, which the store deletes"),
    ),
    ("core/emit/acks.rs", With("the wait for acks of one emit")),
    ("core/forwarding/schedule.rs", With("the answer to an event, or `events.wait`")),
    ("core/memory/history.rs", Erased),
    ("core/memory/idempotency.rs", Erased),
    ("core/memory/message_status.rs", Erased),
    ("core/memory/recent.rs", Erased),
    ("core/recovery/by_name.rs", With("one look for what a client has missed")),
    ("core/recovery/log.rs", Erased),
    ("core/recovery/sessions.rs", Erased),
    ("core/rooms/memberships.rs", Erased),
    ("core/watching.rs", Erased),
    ("core/watching/permit.rs", ErasedBy("core/watching.rs")),
    ("deadlines.rs", Erased),
    ("presence.rs", Erased),
    ("realtime/client_events/held_back.rs", With("the user's next answer")),
    ("realtime/directory/here.rs", With("the answer to one look")),
    ("realtime/emitter.rs", With("the answer to one emit")),
    ("realtime/emitter/asking.rs", With("the wait for acks of one emit")),
    ("realtime/emitter/fanout.rs", With("one emit")),
    ("realtime/emitter/recent.rs", ErasedBy("core/memory/recent.rs")),
    ("realtime/messages.rs", With("the answer to one message")),
    ("realtime/messages/storing.rs", With("one message")),
    ("realtime/placing.rs", Erased),
    ("realtime/watched.rs", Erased),
    ("realtime/watching/asking.rs", With("the answer to one question")),
    ("recovery.rs", Erased),
    ("socket/user_shares.rs", With("the answers to the user's requests")),
    ("store/after_commit.rs", With("one transaction")),
    ("store/inbox/command.rs", With("one request to the writer")),
    ("store/inbox/expire.rs", With("one transaction")),
    ("store/inbox/expired.rs", Erased),
    ("store/shares.rs", With("the last place of the user in the writer's queue")),
    ("types/target.rs", With("what holds the target")),
];

#[test]
fn every_memory_that_names_users_can_be_erased_or_ends_by_itself() {
    let listed: BTreeSet<&str> = MEMORIES.iter().map(|(file, _)| *file).collect();
    let found = files_that_keep_users();
    assert!(!found.is_empty(), "the search itself is broken");
    let unknown: Vec<_> = found.iter().filter(|it| !listed.contains(it.as_str())).collect();
    assert!(unknown.is_empty(), "tell in `MEMORIES` how these end: {unknown:?}");

    for (file, ends) in MEMORIES {
        let erasing = match ends {
            Erased => file,
            ErasedBy(other) => other,
            With(reason) => {
                assert!(!reason.is_empty() && Path::new("src").join(file).exists(), "{file}");
                continue;
            }
        };
        let source = fs::read_to_string(Path::new("src").join(erasing)).expect(erasing);
        assert!(source.contains("fn erase"), "src/{file}: no `fn erase` in src/{erasing}");
    }
}

/// Files, below `src`, in which a field is a collection of users.
fn files_that_keep_users() -> BTreeSet<String> {
    let sources = rust_files(Path::new("src")).into_iter();
    let keeps =
        sources.filter(|file| fs::read_to_string(file).unwrap().lines().any(is_such_a_field));
    keeps.map(|it| it.strip_prefix("src").unwrap().to_string_lossy().into_owned()).collect()
}

/// Whether a line declares a field that holds several users: `name: Map<UserId, …>,` or `struct Name(Map<UserId, …>);`.
fn is_such_a_field(line: &str) -> bool {
    let line = line.trim();
    let keeps = ["Map<", "Set<", "Vec<", "Deque<", "Heap<", "Memory<"].iter().any(|collection| {
        line.match_indices(collection).any(|(place, _)| line[place..].contains("UserId"))
    });
    let is_field = line.ends_with(',') && line.contains(": ") && !line.contains(": &");
    let is_tuple = line.contains("struct ") && line.ends_with(");");
    let is_code = line.starts_with("//") || line.contains("let ") || line.contains("fn ");
    keeps && (is_field || is_tuple) && !is_code
}

/// Those that are no tests, without the command line, which serves nobody.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let is_test = ["tests", "tests.rs", "model.rs", "cli", "bench"]
            .iter()
            .any(|name| path.ends_with(name));
        if is_test {
            continue;
        }
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
    files
}
