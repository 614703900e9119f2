//! The inbox on real files, against a model that keeps everything in a list.

use super::{hooks, open, user};
use crate::core::inbox::{
    InboxState, Item, Naming, NewItem, PageQuery, Paging, Putting, SeenItems, Which,
};
use crate::store::{Inboxes, Store};
use crate::types::{CollapseKey, EventName, ItemId, ItemSeq, Namespace, Payload, UserId, WallMs};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::time::Duration;
use tempfile::TempDir;

const SECOND: u64 = 1000;
const DAY: u64 = 24 * 60 * 60 * SECOND;

/// What may happen to an inbox.
#[derive(Debug, Clone)]
enum Step {
    Put { id: Option<u8>, key: Option<u8>, ttl: u64 },
    Check { id: u8 },
    Upto(u64),
    Ids(Vec<u8>),
    Delete(u64),
    Pass(u64),
    Tidy,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let small = || prop::option::weighted(0.4, 0_u8..6);
    prop_oneof![
        8 => (small(), small(), prop_oneof![Just(1000 * SECOND), (5_u64..60).prop_map(|s| s * SECOND)])
            .prop_map(|(id, key, ttl)| Step::Put { id, key, ttl }),
        1 => (0_u8..6).prop_map(|id| Step::Check { id }),
        2 => (0_u64..30).prop_map(Step::Upto),
        2 => prop::collection::vec(0_u8..6, 0..4).prop_map(Step::Ids),
        2 => (0_u64..30).prop_map(Step::Delete),
        3 => (1_u64..40).prop_map(|s| Step::Pass(s * SECOND)),
        1 => Just(Step::Tidy),
        1 => Just(Step::Reopen),
    ]
}

/// One item as the model knows it.
#[derive(Debug, Clone)]
struct Known {
    seq: u64,
    id: String,
    key: Option<u8>,
    expires: u64,
    is_read: bool,
}

/// The whole truth, without a single running count.
#[derive(Debug, Default)]
struct Model {
    now: u64,
    head: u64,
    min_seq: u64,
    items: Vec<Known>,
    /// Names with their items and when they are forgotten.
    names: Vec<(u8, u64, u64)>,
}

const MAX: u64 = 5;
const REMEMBER: u64 = 100 * SECOND;

impl Model {
    fn expire(&mut self) {
        let (gone, kept) = self.items.drain(..).partition(|it: &Known| it.expires <= self.now);
        self.items = kept;
        let gone: Vec<Known> = gone;
        self.min_seq = gone.iter().map(|it| it.seq + 1).fold(self.min_seq, u64::max);
    }

    fn known(&self, id: u8) -> Option<u64> {
        let names = self.names.iter().filter(|(_, _, until)| self.now < *until);
        names.rev().find(|(it, ..)| *it == id).map(|(_, seq, _)| *seq)
    }

    fn put(&mut self, id: Option<u8>, key: Option<u8>, ttl: u64) -> (u64, bool) {
        if let Some(seq) = id.and_then(|id| self.known(id)) {
            return (seq, true);
        }
        self.expire();
        self.items.retain(|it| it.is_read || key.is_none() || it.key != key);
        self.head += 1;
        self.min_seq = self.min_seq.max(1);
        let name = id.map_or_else(|| format!("made {}", self.head), |id| id.to_string());
        let expires = self.now + ttl;
        self.items.push(Known { seq: self.head, id: name, key, expires, is_read: false });
        if let Some(id) = id {
            self.names.push((id, self.head, self.now + REMEMBER));
        }
        let is_there = |seq| self.items.iter().any(|it| it.seq == seq);
        self.names.retain(|(_, seq, _)| self.head < seq + MAX || is_there(*seq));
        while MAX < len(&self.items) {
            self.min_seq = self.min_seq.max(self.items.remove(0).seq + 1);
        }
        (self.head, false)
    }

    fn state(&self) -> (u64, u64, u64, u64) {
        let unread: Vec<_> = self.items.iter().filter(|it| !it.is_read).collect();
        let upto = unread.iter().map(|it| it.seq - 1).min().unwrap_or(self.head);
        (self.head, len(&unread), upto, self.min_seq)
    }
}

fn len<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap()
}

fn numbers(state: InboxState) -> (u64, u64, u64, u64) {
    (state.head.0, state.unread, state.read_upto.0, state.min_seq.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn every_inbox_is_what_its_history_makes_of_it(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(walk(&steps));
    }
}

async fn walk(steps: &[Step]) {
    let dir = TempDir::new().unwrap();
    let mut store = open(&dir, &hooks(&[])).0;
    let mut model = Model { now: 1_000_000, ..Model::default() };
    let mut revision = 0;
    for step in steps {
        let inboxes = store.inboxes();
        let changed = match step {
            Step::Reopen => {
                store.close().await;
                store = open(&dir, &hooks(&[])).0;
                None
            }
            Step::Tidy => {
                store.presence().alive(WallMs(model.now), crate::types::Timestamp(model.now));
                store.flush().await.unwrap();
                None
            }
            Step::Put { .. }
            | Step::Check { .. }
            | Step::Upto(_)
            | Step::Ids(_)
            | Step::Delete(_)
            | Step::Pass(_) => apply(&inboxes, &mut model, step).await,
        };
        let page = look(&store.inboxes(), &mut model).await;
        assert!(revision <= page.revision, "{step:?}: the revision goes back");
        revision = page.revision;
        if let Some(state) = changed {
            assert_eq!(state, page, "{step:?}: the answer is what a reader sees");
        }
    }
}

/// Does one step to both, compares their answers, and returns what the store says the inbox is.
async fn apply(inboxes: &Inboxes, model: &mut Model, step: &Step) -> Option<InboxState> {
    let (ann, at) = (user("ann"), WallMs(model.now));
    match step {
        Step::Put { id, key, ttl } => {
            let item = item(model, *id, *key, *ttl);
            let put = inboxes.put(item, &[(ann, Putting::Store)]).await.unwrap().remove(0).unwrap();
            let expected = model.put(*id, *key, *ttl);
            assert_eq!((put.seq.0, put.is_duplicate), expected, "{step:?}");
            (!put.is_duplicate).then_some(put.state)
        }
        Step::Check { id } => {
            let item = item(model, Some(*id), None, SECOND);
            let put = inboxes.put(item, &[(ann, Putting::Check)]).await.unwrap().remove(0);
            assert_eq!(put.map(|it| it.seq.0), model.known(*id), "{step:?}");
            None
        }
        Step::Upto(upto) => {
            model.expire();
            let items = model.items.iter_mut().filter(|it| it.seq <= *upto);
            items.for_each(|it| it.is_read = true);
            Some(inboxes.mark(&ann, SeenItems::Upto(ItemSeq(*upto)), at).await.unwrap())
        }
        Step::Ids(ids) => {
            model.expire();
            let ids: BTreeSet<_> =
                ids.iter().map(|id| ItemId::parse(&id.to_string()).unwrap()).collect();
            let items = model.items.iter_mut().filter(|it| ids.contains(it.id.as_str()));
            items.for_each(|it| it.is_read = true);
            Some(inboxes.mark(&ann, SeenItems::Ids(ids), at).await.unwrap())
        }
        Step::Delete(seq) => {
            model.expire();
            let before = model.items.len();
            model.items.retain(|it| it.seq != *seq);
            let state = inboxes.delete(&ann, ItemSeq(*seq), at).await.unwrap();
            assert_eq!(state.is_some(), model.items.len() < before, "{step:?}");
            state
        }
        Step::Pass(ms) => {
            model.now += ms;
            None
        }
        Step::Tidy | Step::Reopen => None,
    }
}

/// Reads everything back, in both directions and filtered, and compares it with the model.
async fn look(inboxes: &Inboxes, model: &mut Model) -> InboxState {
    model.expire();
    let oldest_first: Vec<_> = model.items.iter().map(shown).collect();
    let mut newest_first = oldest_first.clone();
    newest_first.reverse();
    let unread: Vec<_> = model.items.iter().filter(|it| !it.is_read).map(shown).collect();

    let (read, state) = read_all(inboxes, model.now, Paging::After(ItemSeq(0)), Which::All).await;
    assert_eq!(read, oldest_first);
    assert_eq!(numbers(state), model.state());
    assert_eq!(read_all(inboxes, model.now, Paging::Newest, Which::All).await.0, newest_first);
    let after = Paging::After(ItemSeq(0));
    assert_eq!(read_all(inboxes, model.now, after, Which::Unread).await.0, unread);
    state
}

type Shown = (u64, String, bool);

fn shown(it: &Known) -> Shown {
    (it.seq, it.id.clone(), it.is_read)
}

async fn read_all(
    inboxes: &Inboxes,
    now: u64,
    mut paging: Paging,
    which: Which,
) -> (Vec<Shown>, InboxState) {
    let mut all = Vec::new();
    loop {
        let query = PageQuery { paging, which, limit: 2, bytes_max: usize::MAX };
        let page = inboxes.page(&user("ann"), query, WallMs(now)).await.unwrap();
        all.extend(page.items.into_iter().map(|it: Item| (it.seq.0, it.id, it.is_read)));
        paging = match (page.next, paging) {
            (None, _) => return (all, page.state),
            (Some(next), Paging::After(_)) => Paging::After(next),
            (Some(next), Paging::Newest | Paging::Before(_)) => Paging::Before(next),
        };
    }
}

fn item(model: &Model, id: Option<u8>, key: Option<u8>, ttl: u64) -> NewItem {
    let (name, naming) = match id {
        Some(id) => (id.to_string(), Naming::Given),
        None => (format!("made {}", model.head + 1), Naming::Made),
    };
    NewItem {
        id: ItemId::parse(&name).unwrap(),
        naming,
        message: format!("msg {}", model.head + 1),
        collapse_key: key.map(|key| CollapseKey::parse(&key.to_string()).unwrap()),
        at: WallMs(model.now),
        time: WallMs(model.now),
        expires: WallMs(model.now + ttl),
        remembered_until: WallMs(model.now + REMEMBER),
        count_max: MAX,
        ..plain("")
    }
}

pub(super) fn plain(args: &str) -> NewItem {
    let raw = RawValue::from_string(args.to_owned()).ok();
    NewItem {
        id: ItemId::parse("x").unwrap(),
        naming: Naming::Made,
        message: "x".to_owned(),
        namespace: Namespace::root(),
        event: EventName::parse("hello").unwrap(),
        payload: Payload::try_new(raw.into_iter().collect()).unwrap(),
        collapse_key: None,
        at: WallMs(1),
        time: WallMs(1),
        expires: WallMs(DAY),
        remembered_until: WallMs(DAY),
        count_max: 1000,
    }
}

#[tokio::test]
async fn arguments_are_kept_as_they_were_written_and_survive_a_restart() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let args = r#"{"b":1.0,"a":12345678901234567890.10}"#;
    let users = [(user("ann"), Putting::Store), (user("bob"), Putting::Store)];
    store.inboxes().put(plain(args), &users).await.unwrap();
    store.close().await;

    let (store, _) = open(&dir, &hooks(&[]));
    for name in ["ann", "bob"] {
        let page = page(&store, &user(name), 10, usize::MAX).await;
        assert_eq!(page.0, [format!("[{args}]")]);
    }
    assert_eq!(page(&store, &user("cy"), 10, usize::MAX).await, (vec![], false));
}

/// The arguments of the newest items, and whether there are more.
pub(super) async fn page(
    store: &Store,
    user: &UserId,
    limit: u16,
    bytes_max: usize,
) -> (Vec<String>, bool) {
    let query = PageQuery { paging: Paging::Newest, which: Which::All, limit, bytes_max };
    let page = store.inboxes().page(user, query, WallMs(1)).await.unwrap();
    (page.items.into_iter().map(|it| it.args).collect(), page.next.is_some())
}

#[tokio::test]
async fn a_page_ends_where_its_bytes_do_but_has_at_least_one_item() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let big = format!("\"{}\"", "x".repeat(5000));
    for _ in 0..4 {
        store.inboxes().put(plain(&big), &[(user("ann"), Putting::Store)]).await.unwrap();
    }

    let sizes = [(1, 1), (5000, 1), (11_000, 2), (30_000, 4)];
    for (bytes_max, count) in sizes {
        let (items, has_more) = page(&store, &user("ann"), 10, bytes_max).await;
        assert_eq!((items.len(), has_more), (count, count < 4), "{bytes_max}");
    }
    assert_eq!(page(&store, &user("ann"), 3, usize::MAX).await.0.len(), 3);
}

#[tokio::test]
async fn what_expires_unasked_is_deleted_and_told() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let users: Vec<_> = (0..300).map(|n| (user(&format!("u{n}")), Putting::Store)).collect();
    for n in 0..3 {
        let naming = Naming::Given;
        let id = ItemId::parse(&format!("id {n}")).unwrap();
        store.inboxes().put(NewItem { id, naming, ..plain("1") }, &users).await.unwrap();
    }
    assert_eq!(count(&dir, "inbox"), 900);

    store.presence().alive(WallMs(DAY), crate::types::Timestamp(DAY));
    let inboxes = store.inboxes();
    let mut told = std::collections::BTreeMap::new();
    while told.len() < 300 {
        let wait = tokio::time::timeout(Duration::from_secs(20), inboxes.expired());
        told.extend(wait.await.expect("what expired is told"));
    }
    assert!(told.values().all(|state| numbers(*state) == (3, 0, 3, 4)), "{told:?}");
    store.close().await;
    assert_eq!(count(&dir, "inbox"), 0);
    assert_eq!(count(&dir, "inbox_head"), 300, "numbers are never given twice");
    let (store, _) = open(&dir, &hooks(&[]));
    let put = store.inboxes().put(plain("1"), &users).await.unwrap();
    assert!(put.iter().all(|it| it.is_some_and(|it| it.seq == ItemSeq(4))));
}

#[test]
fn no_question_about_an_inbox_walks_through_those_of_others() {
    let dir = TempDir::new().unwrap();
    drop(open(&dir, &hooks(&[])));
    let db = super::database(&dir);
    let table = [
        "SELECT seq FROM inbox WHERE user = ?1 AND is_read = 0 AND ?2 < expires_ms ORDER BY seq LIMIT 1",
        "UPDATE inbox SET is_read = 1 WHERE user = ?1 AND is_read = 0 AND seq <= ?2",
        "DELETE FROM inbox WHERE user = ?1 AND collapse_key = ?2 AND is_read = 0",
        "SELECT seq FROM inbox WHERE user = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT 5",
        "SELECT user FROM inbox_head WHERE first_expiry_ms <= ?1 ORDER BY first_expiry_ms LIMIT ?2",
        "DELETE FROM inbox_ids WHERE user = ?1 AND seq <= ?2 AND gone IS NOT NULL",
        "UPDATE inbox_ids SET gone = ?3 WHERE user = ?1 AND seq = ?2",
        "SELECT seq FROM inbox_ids WHERE message = ?1",
        "SELECT seq FROM inbox_ids WHERE id = ?1 AND id <> message",
    ];
    for sql in table {
        let plan = plan(&db, sql);
        assert!(plan.contains("SEARCH") && !plan.contains("SCAN"), "{sql}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
}

fn plan(db: &Connection, sql: &str) -> String {
    let mut query = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let given = vec!["1"; query.parameter_count()];
    let lines = query.query_map(rusqlite::params_from_iter(given), |row| row.get::<_, String>(3));
    lines.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

fn count(dir: &TempDir, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    super::database(dir).query_row(&sql, [], |row| row.get(0)).unwrap()
}
