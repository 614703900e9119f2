//! The identity of one connection, for its further namespaces: a client that brings the same credentials there is not looked
//! into again.

use crate::types::{Identity, WallMs};

/// What was found out last about the client of one connection.
#[derive(Debug, Default)]
pub struct SharedIdentity(Option<(Fingerprint, Identity)>);

/// A hash of credentials, and of the keys that they were verified with: with other keys it is another one.
pub type Fingerprint = [u8; 32];

impl SharedIdentity {
    /// The identity of these credentials; none if they are others, or have expired.
    pub fn get(&self, credentials: &Fingerprint, now: WallMs) -> Option<Identity> {
        let (known, identity) = self.0.as_ref()?;
        let is_good = identity.grants.expires_at.is_none_or(|at| now < at);
        (known == credentials && is_good).then(|| identity.clone())
    }

    /// These credentials are of this identity.
    pub fn set(&mut self, credentials: Fingerprint, identity: Identity) {
        self.0 = Some((credentials, identity));
    }
}

#[cfg(test)]
mod tests {
    use super::SharedIdentity;
    use crate::types::{Grants, Identity, UserId, WallMs};

    #[test]
    fn it_is_given_for_the_same_credentials_until_they_expire() {
        let grants = Grants { expires_at: Some(WallMs(100)), ..Grants::default() };
        let ann = Identity { user: UserId::parse("ann").unwrap(), grants };
        let mut shared = SharedIdentity::default();
        assert!(shared.get(&[1; 32], WallMs(0)).is_none());

        shared.set([1; 32], ann);

        assert_eq!(shared.get(&[1; 32], WallMs(99)).unwrap().user.as_str(), "ann");
        assert!(shared.get(&[2; 32], WallMs(99)).is_none());
        assert!(shared.get(&[1; 32], WallMs(100)).is_none());
    }
}
