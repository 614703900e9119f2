//! How two nodes that connect know each other, before anything else is said on the connection:
//!
//! ```text
//!   listener ──► "userline nodes 1", 32 random bytes
//!   caller   ──► 32 random bytes, a tag of both
//!   listener ──► another tag of both
//! ```
//! Both numbers are new for each connection: what was overheard proves nothing the next time, and no clocks are compared.

use super::NodeKey;
use crate::entropy;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What both begin with; the number at its end is that of this way to speak.
const GREETING: &[u8; 16] = b"userline nodes 1";
/// Bytes of a random number, and of a tag.
const LEN: usize = 32;
/// How long it may take.
const LIMIT: Duration = Duration::from_secs(5);

const CALLER: &[u8] = b"userline: a node calls";
const LISTENER: &[u8] = b"userline: a node listens";

impl NodeKey {
    /// Lets one in that has connected, if it has the secret.
    pub async fn admit(&self, tcp: &mut TcpStream) -> io::Result<()> {
        within(async {
            let challenge = entropy::bytes::<LEN>();
            tcp.write_all(&[&GREETING[..], &challenge].concat()).await?;
            let (mut number, mut tag) = ([0; LEN], [0; LEN]);
            tcp.read_exact(&mut number).await?;
            tcp.read_exact(&mut tag).await?;
            let about: [&[u8]; 2] = [&challenge, &number];
            if !self.proves(&tag, CALLER, &about) {
                return Err(stranger());
            }
            tcp.write_all(self.tag(LISTENER, &about).as_ref()).await
        })
        .await
    }

    /// Shows to the one that was connected to that this node has the secret, and looks whether that one has it.
    pub(super) async fn show(&self, tcp: &mut TcpStream) -> io::Result<()> {
        within(async {
            let (mut greeting, mut challenge) = ([0; GREETING.len()], [0; LEN]);
            tcp.read_exact(&mut greeting).await?;
            if greeting != *GREETING {
                return Err(stranger());
            }
            tcp.read_exact(&mut challenge).await?;
            let number = entropy::bytes::<LEN>();
            let about: [&[u8]; 2] = [&challenge, &number];
            tcp.write_all(&[&number[..], self.tag(CALLER, &about).as_ref()].concat()).await?;
            let mut tag = [0; LEN];
            tcp.read_exact(&mut tag).await?;
            if self.proves(&tag, LISTENER, &about) { Ok(()) } else { Err(stranger()) }
        })
        .await
    }
}

async fn within(it: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(LIMIT, it).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn stranger() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "it does not have cluster.secret")
}

#[cfg(test)]
mod tests {
    use super::{GREETING, LEN, NodeKey};
    use crate::types::Secret;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (caller, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        (caller.unwrap(), accepted.unwrap().0)
    }

    fn key(secret: &[u8]) -> NodeKey {
        NodeKey::new(&Secret::new(secret))
    }

    #[tokio::test]
    async fn those_who_have_the_secret_know_each_other_and_nobody_else_does() {
        for (ours, theirs, is_right) in [("hush", "hush", true), ("hush", "other", false)] {
            let (mut caller, mut listener) = pair().await;
            let (ours, theirs) = (key(ours.as_bytes()), key(theirs.as_bytes()));
            let admitted = async {
                let admitted = theirs.admit(&mut listener).await;
                drop(listener);
                admitted
            };
            let (shown, admitted) = tokio::join!(ours.show(&mut caller), admitted);
            assert_eq!((shown.is_ok(), admitted.is_ok()), (is_right, is_right));
        }
    }

    /// What was said once is no proof the next time, nor is the listener's own tag, nor silence.
    #[tokio::test]
    async fn what_was_overheard_proves_nothing() {
        let key = key(b"hush");
        let (mut caller, mut between) = pair().await;
        let (mut onwards, mut listener) = pair().await;
        let overhearing = async {
            let mut challenge = [0; GREETING.len() + LEN];
            onwards.read_exact(&mut challenge).await.unwrap();
            between.write_all(&challenge).await.unwrap();
            let mut said = [0; 2 * LEN];
            between.read_exact(&mut said).await.unwrap();
            onwards.write_all(&said).await.unwrap();
            let mut answer = [0; LEN];
            onwards.read_exact(&mut answer).await.unwrap();
            between.write_all(&answer).await.unwrap();
            (said, answer)
        };
        let (shown, admitted, (said, answer)) =
            tokio::join!(key.show(&mut caller), key.admit(&mut listener), overhearing);
        assert!(shown.is_ok() && admitted.is_ok(), "as far as that goes");

        for replayed in [said.to_vec(), [&said[..LEN], &answer].concat(), said[..LEN].to_vec()] {
            let (mut thief, mut listener) = pair().await;
            let trying = async {
                thief.write_all(&replayed).await.unwrap();
                thief.shutdown().await.unwrap();
            };
            let (admitted, ()) = tokio::join!(key.admit(&mut listener), trying);
            assert!(admitted.is_err());
        }
    }
}
