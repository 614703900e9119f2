//! What a client hears of its inbox by itself when it comes: the items it says it lacks, or, when it has recovered, the
//! numbers as they have become.

use super::view::item_view;
use super::{InboxError, LiveInboxes, state_view};
use crate::core::inbox::{InboxState, PageQuery, Paging, Which};
use crate::registry::Socket;
use crate::types::{ItemSeq, ServerEvent};
use serde_json::json;
use std::sync::Arc;

/// Items replayed at once; the client asks for more.
const ITEMS_MAX: u16 = 100;

impl LiveInboxes {
    /// Sends a socket the items after `after`, oldest first, each as `userline:inbox:item`, and then
    /// `userline:inbox` with `has_more`.
    pub(crate) fn replay(self: &Arc<Self>, socket: Arc<Socket>, after: ItemSeq) {
        let inboxes = Arc::clone(self);
        self.tasks.spawn("inbox.replay", async move {
            if let Err(error) = inboxes.send_after(&socket, after).await {
                inboxes.tell_error(&socket, &error);
            }
        });
    }

    /// Tells a socket that has recovered what its inbox is like by now: the numbers are no part of what is replayed.
    /// Nothing if the user never had an inbox.
    pub(in crate::realtime) fn refresh(self: &Arc<Self>, socket: Arc<Socket>) {
        let inboxes = Arc::clone(self);
        self.tasks.spawn("inbox.refresh", async move {
            match inboxes.keeper.state(socket.user(), &inboxes.clock).await {
                Ok(state) if state == InboxState::default() => {}
                Ok(state) => inboxes.tell_socket(&socket, state),
                Err(error) => inboxes.tell_error(&socket, &error),
            }
        });
    }

    fn tell_error(&self, socket: &Socket, error: &InboxError) {
        tracing::warn!(socket.id = %socket.id, %error, "cannot read the inbox of a client that came");
        let error = json!({"code": error.code(), "message": error.to_string()});
        self.notices.send(socket, ServerEvent::InboxError, &json!({"error": error}));
    }

    async fn send_after(&self, socket: &Socket, after: ItemSeq) -> Result<(), InboxError> {
        let query = PageQuery {
            paging: Paging::After(after),
            which: Which::All,
            limit: ITEMS_MAX,
            bytes_max: self.page_bytes_max(),
        };
        let page = self.page(socket.user(), query).await?;
        for item in &page.items {
            match item_view(item) {
                Ok(view) => self.notices.send(socket, ServerEvent::InboxItem, &view),
                Err(error) => {
                    tracing::error!(seq = item.seq.0, %error, "an item of an inbox is damaged");
                }
            }
        }
        let has_more = page.next.is_some();
        socket.tell_newest_inbox(page.state, |newest| {
            let numbers = state_view(newest).after_replay(has_more);
            self.notices.send(socket, ServerEvent::Inbox, &numbers);
        });
        Ok(())
    }
}
