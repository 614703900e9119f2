//! Which sockets the names of a target stand for.

use crate::core::emit::audience::Audience;
use crate::core::presence::session::PresenceStatus;
use crate::realtime::sockets::Sockets;
use crate::registry::{FewSockets, ManySockets, Socket};
use crate::types::UserId;
use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

/// The sockets that one name of a target stands for, whether they are left out or not.
pub(super) struct TargetGroup {
    pub(super) sockets: GroupSockets,
    /// The user, with its status, if the name is that of one.
    pub(super) user: Option<(UserId, PresenceStatus)>,
}

pub(super) enum GroupSockets {
    Few(FewSockets),
    Many(ManySockets),
}

impl Deref for GroupSockets {
    type Target = [Arc<Socket>];

    fn deref(&self) -> &[Arc<Socket>] {
        match self {
            Self::Few(sockets) => sockets,
            Self::Many(sockets) => sockets,
        }
    }
}

/// The sockets that `audience` is, each once.
pub fn addressed(sockets: &Sockets, audience: &Audience) -> Vec<Arc<Socket>> {
    let left_out = audience.left_out();
    let groups = find(sockets, audience).into_iter();
    let named = groups.flat_map(|group| group.sockets.to_vec());
    let mut seen = HashSet::new();
    named.filter(|it| !left_out.includes(&**it) && seen.insert(it.id)).collect()
}

/// A group for each name of the target, in its order; one socket may be in several.
pub(super) fn find(sockets: &Sockets, audience: &Audience) -> Vec<TargetGroup> {
    let Audience { namespace, target, except: _ } = audience;
    let nameless = |sockets| TargetGroup { sockets: GroupSockets::Many(sockets), user: None };
    let all = target.all.then(|| nameless(sockets.registry.everyone(namespace)));
    let users = target.users.iter().map(|user| {
        let (status, mut its) = sockets.user(user);
        its.retain(|it| it.namespace == *namespace);
        TargetGroup { sockets: GroupSockets::Few(its), user: Some((user.clone(), status)) }
    });
    let rooms = target.rooms.iter().map(|room| nameless(sockets.room(namespace, room)));
    let ids = target
        .sockets
        .iter()
        .map(|id| nameless(sockets.registry.socket_in(namespace, *id).into_iter().collect()));
    all.into_iter().chain(users).chain(rooms).chain(ids).collect()
}
