//! When inbox items are old, whatever is done to the wall clock.

use super::inbox::plain;
use super::{hooks, open, user};
use crate::core::inbox::{NewItem, PageQuery, Paging, Putting, SeenItems, Which};
use crate::types::{ItemSeq, Timestamp, WallMs};
use tempfile::TempDir;

const HOUR: u64 = 3_600_000;
const YEAR: u64 = 365 * 24 * HOUR;

#[tokio::test]
async fn a_wall_clock_that_is_set_forward_expires_no_item_early() {
    let dir = TempDir::new().unwrap();
    let (store, _) = open(&dir, &hooks(&[]));
    let (inboxes, ann) = (store.inboxes(), user("ann"));
    let start = 10 * YEAR;
    let put = async |at: u64, time: WallMs| {
        let expires = WallMs(at + HOUR);
        let item =
            NewItem { at: WallMs(at), time, expires, remembered_until: expires, ..plain("1") };
        inboxes.put(item, &[(ann.clone(), Putting::Store)]).await.unwrap();
    };
    let there = async |time: WallMs| {
        let query = PageQuery {
            paging: Paging::After(ItemSeq(0)),
            which: Which::All,
            limit: 10,
            bytes_max: 10_000,
        };
        let items = inboxes.page(&ann, query, time).await.unwrap().items;
        items.iter().map(|it| it.seq.0).collect::<Vec<_>>()
    };
    let told = async |wall: u64, now: u64| {
        store.presence().alive(WallMs(wall), Timestamp(now));
        // The first one waits until the time is told, the second one for what it brings about.
        store.flush().await.unwrap();
        store.flush().await.unwrap();
        inboxes.time(WallMs(wall), Timestamp(now))
    };
    put(start, told(start, 0).await).await;

    // Ten seconds later the clock is a year ahead.
    let ahead = start + YEAR;
    let time = told(ahead + 10_000, 10_000).await;
    assert_eq!(time, WallMs(start + 10_000));
    assert_eq!(there(time).await, [1], "read");
    inboxes.mark(&ann, SeenItems::Upto(ItemSeq(0)), time).await.unwrap();
    put(ahead + 10_000, time).await;
    assert_eq!(there(time).await, [1, 2], "written");

    // An hour after the begin the first one is as old as it may be, and the second one is not.
    let time = told(ahead + HOUR + 1, HOUR + 1).await;
    assert_eq!(there(time).await, [2]);
    inboxes.expired().await;
}
