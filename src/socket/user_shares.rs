//! How many requests of each user are open that are answered later. A socket has a bound of its own, but a user may have many.

use super::request_error::RequestError;
use crate::types::UserId;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// The open requests of each user, at most so many.
#[derive(Debug)]
pub(super) struct UserShares {
    max: usize,
    /// Of users who have any.
    open: Mutex<HashMap<UserId, usize>>,
}

/// One open request, until this is dropped.
#[derive(Debug)]
pub(super) struct UserShare {
    of: Arc<UserShares>,
    user: UserId,
}

impl UserShares {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, open: Mutex::default() })
    }

    /// One more of a user, if there may be one.
    pub(super) fn take(self: &Arc<Self>, user: &UserId) -> Result<UserShare, RequestError> {
        let mut open = self.open.lock();
        match open.get_mut(user) {
            Some(count) if self.max <= *count => {
                let message = format_args!(
                    "{count} requests of this user are not answered yet, as many as `limits.requests_per_user` allows"
                );
                return Err(RequestError::new("too_many_requests", message));
            }
            Some(count) => *count += 1,
            None => drop(open.insert(user.clone(), 1)),
        }
        Ok(UserShare { of: Arc::clone(self), user: user.clone() })
    }
}

impl Drop for UserShare {
    fn drop(&mut self) {
        if let Entry::Occupied(mut count) = self.of.open.lock().entry(self.user.clone()) {
            if 1 < *count.get() {
                *count.get_mut() -= 1;
            } else {
                count.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::UserShares;
    use crate::types::UserId;

    #[test]
    fn each_user_has_a_share_and_one_with_nothing_open_takes_no_memory() {
        let shares = UserShares::new(2);
        let [ann, bob] = ["ann", "bob"].map(|it| UserId::parse(it).unwrap());
        let first = shares.take(&ann).unwrap();
        let _second = shares.take(&ann).unwrap();

        assert_eq!(shares.take(&ann).unwrap_err().code, "too_many_requests");
        drop(shares.take(&bob).unwrap());
        drop(first);
        drop(shares.take(&ann).unwrap());

        assert_eq!(shares.open.lock().len(), 1);
    }
}
