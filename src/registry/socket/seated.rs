//! A socket as one of those of which a user may have so many.

use super::Socket;
use crate::core::control::seats::{Seated, Standing};
use crate::core::presence::session::Grace;
use crate::core::recovery::Pid;
use crate::types::{DeviceId, Reason};
use std::sync::Arc;

impl Seated for Arc<Socket> {
    fn shares_connection(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connection, &other.connection)
    }

    fn device(&self) -> Option<&DeviceId> {
        self.device.as_ref()
    }

    fn pid(&self) -> Option<&Pid> {
        (**self).pid()
    }

    fn standing(&self) -> Standing {
        if self.kicked().is_some() || self.connection.is_closed() {
            Standing::Leaving
        } else if self.connection.owes_pong() {
            Standing::OwesPong
        } else {
            Standing::Here
        }
    }

    fn evict(&self) {
        self.kick(Grace::Keep);
    }

    fn replace(&self) {
        self.connection.close(Reason::Replaced);
    }
}
