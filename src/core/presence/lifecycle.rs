//! One socket's way through the registry, so that "connected" and "gone" may come in any order.
//!
//! The client is let in by one task and read by another: the connection may be gone before its socket is taken in, and the
//! news that it is gone may come before the news that it came.
//!
//! ```text
//!   New ──register──► Registered ──close──► Closed
//!    └────────────────close───────────────────▲
//! ```

/// Where a socket is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifecycle {
    /// Authenticated, not yet in the registry.
    #[default]
    New,
    /// In the registry.
    Registered,
    /// Gone, for good.
    Closed,
}

impl Lifecycle {
    /// Whether the socket may be registered now; it then counts as registered.
    #[must_use]
    pub fn register(&mut self) -> bool {
        let is_new = *self == Self::New;
        if is_new {
            *self = Self::Registered;
        }
        is_new
    }

    /// Whether the socket is in the registry.
    pub fn is_registered(self) -> bool {
        self == Self::Registered
    }

    /// Whether the socket has to be taken out of the registry now; it is closed in any case.
    #[must_use]
    pub fn close(&mut self) -> bool {
        std::mem::replace(self, Self::Closed) == Self::Registered
    }
}

#[cfg(test)]
mod tests {
    use super::Lifecycle;

    #[test]
    fn a_socket_is_registered_once_and_removed_once() {
        let mut it = Lifecycle::default();

        assert!(!it.is_registered());
        assert!(it.register());
        assert!(!it.register());
        assert!(it.is_registered());
        assert!(it.close());
        assert!(!it.is_registered());
        assert!(!it.close());
        assert!(!it.register(), "nothing comes back after the end");
    }

    #[test]
    fn a_socket_that_is_gone_before_it_came_is_never_registered() {
        let mut it = Lifecycle::default();

        assert!(!it.close());
        assert!(!it.register());
    }
}
