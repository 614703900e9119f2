//! What a client emits to one socket: requests to the server itself are answered, events that the backend answers are
//! forwarded, everything else is acked with an error; nothing is swallowed.

use super::request_error::RequestError;
use super::requests::Requests;
use super::{emit, inbox, join, logout, ping, presence, read, refresh, watch};
use crate::config::GuestRight;
use crate::connection::EventListener;
use crate::core::protocol::inbound::ClientEvent;
use crate::types::{ClientRequest, EventName, Reason};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

impl EventListener for Requests {
    fn deliver(self: Arc<Self>, event: &ClientEvent<'_>) {
        self.count(event);
        if let Err(error) = begin(&self, event) {
            self.refuse(event.ack, &error);
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_pace(cx));
        ready!(self.questions.poll_ready(cx));
        let events = self.parts().events.as_ref();
        events.map_or(Poll::Ready(()), |events| events.poll_ready(self.socket(), cx))
    }

    fn leave(&self, reason: Reason) {
        self.parts().attendance.leave(self.socket(), reason);
    }
}

/// Answers an event, or begins to.
fn begin(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let name = &event.name;
    let Some(request) = ClientRequest::parse(name) else { return forward(requests, event) };
    let takes_buffers = matches!(request, ClientRequest::Ping | ClientRequest::Emit);
    if !event.buffers.is_empty() && !takes_buffers {
        let message = format_args!("{name} takes no binary arguments");
        return Err(RequestError::new("binary_unsupported", message));
    }
    if let Some(right) = needed_right(request) {
        requests.check_right(right)?;
    }
    match request {
        ClientRequest::Ping => {
            ping::answer(requests, event);
            Ok(())
        }
        ClientRequest::Refresh => refresh::begin(requests, event),
        ClientRequest::Logout => logout::begin(requests, event),
        ClientRequest::Inbox => inbox::begin(requests, event),
        ClientRequest::Read => read::begin(requests, event),
        ClientRequest::Join => join::join(requests, event),
        ClientRequest::Leave => join::leave(requests, event),
        ClientRequest::Emit => emit::begin(requests, event),
        ClientRequest::Presence => presence::begin(requests, event),
        ClientRequest::Watch => watch::begin(requests, event),
        ClientRequest::Unwatch => watch::end(requests, event),
    }
}

/// What a guest needs for a request.
fn needed_right(request: ClientRequest) -> Option<GuestRight> {
    match request {
        // What it may join its claims say, of which it has none.
        ClientRequest::Ping
        | ClientRequest::Refresh
        | ClientRequest::Logout
        | ClientRequest::Join
        | ClientRequest::Leave => None,
        ClientRequest::Inbox | ClientRequest::Read => Some(GuestRight::Inbox),
        ClientRequest::Emit => Some(GuestRight::Emit),
        ClientRequest::Presence | ClientRequest::Watch | ClientRequest::Unwatch => {
            Some(GuestRight::Presence)
        }
    }
}

/// Forwards an event that the backend answers.
fn forward(requests: &Arc<Requests>, event: &ClientEvent<'_>) -> Result<(), RequestError> {
    let (socket, name) = (requests.socket(), &event.name);
    let events = requests.parts().events.as_ref();
    match events.filter(|it| it.forwards(&socket.namespace, name)) {
        Some(events) if EventName::parse(name).is_ok() => {
            requests.check_right(GuestRight::Events)?;
            Ok(events.forward(socket, event)?)
        }
        Some(_) | None => {
            requests.parts().unhandled.note(&socket.namespace, name);
            let message = format_args!("nobody listens to `{name}` here");
            Err(RequestError::new("unknown_event", message))
        }
    }
}
