//! What nodes make of the secret of their cluster: they know each other by it, and only they can read where they are.

use crate::types::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::sync::Arc;

/// Longest sealed address in a name, in characters.
const SEALED_MAX: usize = 512;

/// The secret of a cluster, ready to use.
#[derive(Clone)]
pub struct NodeKey(Arc<NodeKeyParts>);

struct NodeKeyParts {
    tags: hmac::Key,
    /// `None` cannot be: the key has the length that it must have.
    seals: Option<LessSafeKey>,
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey([hidden])")
    }
}

impl NodeKey {
    /// Makes it of `cluster.secret`.
    pub fn new(secret: &Secret) -> Self {
        let tags = hmac::Key::new(HMAC_SHA256, secret.expose());
        let sealing = hmac::sign(&tags, b"userline: where a connection is");
        let seals = UnboundKey::new(&AES_256_GCM, sealing.as_ref()).ok().map(LessSafeKey::new);
        Self(Arc::new(NodeKeyParts { tags, seals }))
    }

    /// A proof that whoever made it has the secret: of `what`, about these texts of known length.
    pub(super) fn tag(&self, what: &[u8], about: &[&[u8]]) -> hmac::Tag {
        hmac::sign(&self.0.tags, &[&[what], about].concat().concat())
    }

    /// Whether this is such a proof. It takes as long whatever is wrong with it.
    pub(super) fn proves(&self, tag: &[u8], what: &[u8], about: &[&[u8]]) -> bool {
        hmac::verify(&self.0.tags, &[&[what], about].concat().concat(), tag).is_ok()
    }

    /// Seals an address: always in the same way, so that a node that starts again knows its own.
    pub(super) fn seal(&self, address: &str) -> String {
        let number = self.tag(b"userline: seal", &[address.as_bytes()]);
        let mut nonce = [0; NONCE_LEN];
        nonce.iter_mut().zip(number.as_ref()).for_each(|(to, from)| *to = *from);
        let mut sealed = address.as_bytes().to_vec();
        let seal = |key: &LessSafeKey| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            key.seal_in_place_append_tag(nonce, Aad::empty(), &mut sealed).ok()
        };
        if self.0.seals.as_ref().and_then(seal).is_none() {
            sealed.clear();
        }
        URL_SAFE_NO_PAD.encode([&nonce[..], &sealed].concat())
    }

    /// The address that was sealed by a node with the same secret.
    pub(super) fn open(&self, sealed: &str) -> Option<String> {
        let text = Some(sealed).filter(|it| it.len() <= SEALED_MAX)?;
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let (nonce, mut rest) = (Nonce::assume_unique_for_key(*nonce), rest.to_vec());
        let opened = self.0.seals.as_ref()?.open_in_place(nonce, Aad::empty(), &mut rest).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}
