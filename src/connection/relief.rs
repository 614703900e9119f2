//! When more waits for clients than may, somebody has to go: the one with whom most memory goes, whoever was sent something
//! last.

use super::outgoing::Slow;
use super::{Connection, Connections};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// A frame that is shorter is not looked up: what it takes besides is as much.
const SHORT: usize = 256;
/// Frames that are looked at between two yields.
const SLICE: usize = 16 * 1024;
/// How long to wait until it is looked again: what was closed may be held by others for a moment.
const PAUSE: Duration = Duration::from_millis(10);

/// Closes whoever owes most, whenever more waits than may.
pub(super) async fn watch(connections: Connections) {
    let waiting = connections.waiting();
    loop {
        waiting.exceeded().await;
        while let Some(excess) = waiting.excess() {
            if !relieve_of(excess, debtors(&connections).await) {
                break; // nothing waits that could be taken from anybody: it is on its way
            }
            tokio::time::sleep(PAUSE).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A connection for which something waits, and the bytes that it takes: its own, and its part of what others hold as well.
type Debtor = (Arc<Connection>, usize);

/// All of them.
async fn debtors(connections: &Connections) -> Vec<Debtor> {
    let mut waiting = connections.snapshot();
    waiting.retain(|it| it.owes());
    let (mut holders, mut looked) = (HashMap::<usize, usize>::new(), 0);
    for connection in &waiting {
        connection.for_each_pending(|end, _| *holders.entry(end).or_default() += 1, &mut looked);
        rest(&mut looked).await;
    }
    let mut debtors = Vec::with_capacity(waiting.len());
    for connection in waiting {
        let mut debt = 0;
        let part = |end, len: usize| debt += len / holders.get(&end).copied().unwrap_or(1);
        let overhead = connection.for_each_pending(part, &mut looked);
        debtors.push((connection, debt + overhead));
        rest(&mut looked).await;
    }
    debtors
}

/// Lets others have their turn now and then.
async fn rest(looked: &mut usize) {
    if SLICE <= *looked {
        *looked = 0;
        tokio::task::yield_now().await;
    }
}

/// Closes those who owe most, until `excess` bytes are gone; false if there was nobody to close.
fn relieve_of(excess: usize, mut debtors: Vec<Debtor>) -> bool {
    debtors.sort_unstable_by_key(|(_, debt)| Reverse(*debt));
    let (mut gone, mut is_any) = (0, false);
    for (connection, debt) in debtors {
        if excess <= gone {
            break;
        }
        connection.close_slow(&mut connection.lock(), Slow::Crowded);
        (gone, is_any) = (gone + debt, true);
    }
    is_any
}

impl Connection {
    /// Whether something waits for the client.
    fn owes(&self) -> bool {
        let state = self.lock();
        !state.outbound.is_clear() || state.untaken().is_some()
    }

    /// Calls `each` for each frame that waits and is not short: where it ends in memory, which names it, and its length.
    /// Returns what all else takes.
    fn for_each_pending(&self, mut each: impl FnMut(usize, usize), looked: &mut usize) -> usize {
        let state = self.lock();
        let mut other = state.outbound.overhead() + state.untaken_bytes();
        for frame in state.outbound.pending() {
            *looked += 1;
            if frame.len() < SHORT {
                other += frame.len();
            } else {
                each(frame.as_ptr_range().end.addr(), frame.len());
            }
        }
        other
    }
}
