//! What a client hears of its inbox by itself when it comes: the items it says it lacks, or, when it has recovered, the
//! numbers as they have become.

use super::{InboxError, in_time, state_view};
use crate::core::inbox::{InboxState, PageQuery, Paging, Which};
use crate::realtime::Realtime;
use crate::realtime::inbox::view::item_view;
use crate::registry::Socket;
use crate::types::{ItemSeq, ServerEvent};
use serde_json::json;
use std::sync::Arc;

/// Items replayed at once; the client asks for more.
const ITEMS_MAX: u16 = 100;
/// The part of the client's buffer that a replay may fill: recovery and live events need the rest.
const BUFFER_PART: usize = 4;

impl Realtime {
    /// Sends a socket the items after `after`, oldest first, each as `userline:inbox:item`, and then
    /// `userline:inbox` with `has_more`.
    pub(crate) fn replay_inbox(&self, socket: Arc<Socket>, after: ItemSeq) {
        let realtime = self.clone();
        self.tasks.spawn("inbox.replay", async move {
            if let Err(error) = realtime.replay(&socket, after).await {
                realtime.tell_error(&socket, &error);
            }
        });
    }

    /// Tells a socket that has recovered what its inbox is like by now: the numbers are no part of what is replayed.
    /// Nothing if the user never had an inbox.
    pub(in crate::realtime) fn refresh_inbox(&self, socket: Arc<Socket>) {
        let realtime = self.clone();
        self.tasks.spawn("inbox.refresh", async move {
            let now = realtime.inbox_time();
            match in_time(realtime.inbox.inboxes.state(&socket.user, now)).await {
                Ok(state) if state == InboxState::default() => {}
                Ok(state) => realtime.tell_numbers(&socket, state),
                Err(error) => realtime.tell_error(&socket, &error),
            }
        });
    }

    fn tell_error(&self, socket: &Socket, error: &InboxError) {
        tracing::warn!(socket.id = %socket.id, %error, "cannot read the inbox of a client that came");
        let error = json!({"code": error.code(), "message": error.to_string()});
        self.send_own(socket, ServerEvent::InboxError, &json!({"error": error}));
    }

    async fn replay(&self, socket: &Socket, after: ItemSeq) -> Result<(), InboxError> {
        let query = PageQuery {
            paging: Paging::After(after),
            which: Which::All,
            limit: ITEMS_MAX,
            bytes_max: self.limits.buffer_bytes / BUFFER_PART,
        };
        let page = self.inbox(&socket.user, query).await?;
        for item in &page.items {
            match item_view(item) {
                Ok(view) => self.send_own(socket, ServerEvent::InboxItem, &view),
                Err(error) => {
                    tracing::error!(seq = item.seq.0, %error, "an item of an inbox is damaged");
                }
            }
        }
        let has_more = page.next.is_some();
        socket.tell_newest_inbox(page.state, |newest| {
            self.send_own(socket, ServerEvent::Inbox, &state_view(newest).after_replay(has_more));
        });
        Ok(())
    }
}
