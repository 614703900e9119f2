//! Sockets whose credentials end leave nothing behind that waits for that.

use super::fixture::Fixture;
use crate::registry::Socket;
use crate::types::{Grants, Reason, WallMs};
use std::sync::Arc;

/// Long after the end of the test.
const END: WallMs = WallMs(u64::MAX / 2);

fn grant(it: &Fixture, socket: &Arc<Socket>, expires_at: Option<WallMs>) -> usize {
    it.sockets.regrant(socket, Grants { expires_at, ..Grants::default() }, 0);
    it.sockets.counts().deadlines
}

#[tokio::test(start_paused = true)]
async fn one_reminder_waits_while_it_is_here_and_none_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let it = Fixture::new(&folder).await;
    let (one, two) = (it.connect("ann"), it.connect("ann"));
    assert_eq!(it.sockets.counts().deadlines, 0);

    assert_eq!(grant(&it, &one, Some(END)), 1);
    assert_eq!(grant(&it, &two, Some(END)), 2);
    assert_eq!(grant(&it, &one, Some(WallMs(END.0 - 1))), 2, "the newer one only");
    assert_eq!(grant(&it, &one, None), 1);
    assert_eq!(grant(&it, &one, Some(END)), 2);

    it.sockets.disconnect(&one, Reason::TransportClose);
    assert_eq!(it.sockets.counts().deadlines, 1);
    assert_eq!(grant(&it, &one, Some(END)), 1, "it is gone");
}
