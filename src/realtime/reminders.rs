//! What is due is done: users whose grace has run out are offline, and connections whose credentials have ended are closed.

use super::notices::Notices;
use super::sockets::Sockets;
use crate::auth::Resume;
use crate::core::auth::expiry::ExpiryStep;
use crate::deadlines::{DueReminders, Reminder};
use crate::registry::Socket;
use crate::tasks::Tasks;
use crate::types::{Reason, ServerEvent};
use serde::Serialize;
use std::sync::Arc;

/// Does what is due.
#[derive(Debug, Clone)]
pub struct Reminders {
    sockets: Sockets,
    notices: Notices,
    /// Gives clients newer resume tokens, where there are any.
    resume: Option<Arc<Resume>>,
    tasks: Tasks,
}

/// The argument of `userline:resume`.
#[derive(Serialize)]
struct NewerResume {
    resume: String,
}

/// The argument of `userline:expiring`.
#[derive(Serialize)]
struct Expiring {
    expires_at: Option<u64>,
}

impl Reminders {
    /// For these sockets, which are told by `notices`; `tasks` do what is due.
    pub fn new(
        sockets: Sockets,
        notices: Notices,
        resume: Option<Arc<Resume>>,
        tasks: Tasks,
    ) -> Self {
        Self { sockets, notices, resume, tasks }
    }

    /// Has tasks do what is due. After a standstill, of the process or of the store, all wait for those who knocked
    /// meanwhile. Call it once.
    pub fn watch(&self) {
        for due in self.sockets.watch_deadlines() {
            self.tasks.spawn("deadlines", self.clone().perform(due));
        }
    }

    async fn perform(self, mut due: DueReminders) {
        loop {
            match due.next().await {
                Reminder::Grace(user) => {
                    let Ok(place) = self.sockets.presence.reserve().await else { return };
                    // While the store had no room, nobody who knocked could be let in either.
                    if due.is_held() {
                        due.put_back(Reminder::Grace(user));
                    } else {
                        self.sockets.presence.expire(user.clone(), place);
                        self.sockets.watched.note(&user);
                    }
                }
                Reminder::Expiry(id) => {
                    if let Some(socket) = self.sockets.registry.socket_of(id) {
                        self.look_at(&socket);
                    }
                }
            }
        }
    }

    /// Gives a client a newer resume token.
    fn renew(&self, socket: &Arc<Socket>) {
        let Some(resume) = self.resume.clone() else { return };
        let (socket, notices) = (Arc::clone(socket), self.notices.clone());
        self.tasks.spawn("resume.renew", async move {
            let renewed = resume.renew(socket.user(), &socket.grants()).await;
            if let Some(resume) = renewed {
                notices.send(&socket, ServerEvent::Resume, &NewerResume { resume });
            }
        });
    }

    /// Tells a client that its credentials end, or closes its connection because they have ended: it comes back by itself,
    /// with newer ones if it has them.
    fn look_at(&self, socket: &Arc<Socket>) {
        match self.sockets.expiry_due(socket) {
            ExpiryStep::Nothing => {}
            ExpiryStep::Warn => {
                let expires_at = socket.grants().expires_at.map(|it| it.0);
                self.notices.send(socket, ServerEvent::Expiring, &Expiring { expires_at });
            }
            ExpiryStep::Renew => self.renew(socket),
            ExpiryStep::Close => {
                tracing::debug!(socket.id = %socket.id, "closing a connection: its credentials have ended");
                socket.connection.finish(Reason::Expired);
            }
        }
    }
}
