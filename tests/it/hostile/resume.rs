//! Resume tokens that are none, and guests who want more than they may. Each row has a server of its own, with its own tokens.

use super::client::{Client, Heard, Packet};
use super::gets::Gets;
use super::{Case, Group, Row};
use crate::rig::server::{JWT_SECRET, KEY, Server, token};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::net::SocketAddr;

/// The `auth` of a client that is made of ann's tokens, and what it is refused with.
type TokenRow = (&'static str, &'static str, fn(&Tokens) -> String);

const TOKEN_ROWS: [TokenRow; 11] = [
    ("`auth.resume` is a number", "auth_invalid", |_| r#"{"resume":7}"#.to_owned()),
    ("`auth.resume` is empty", "resume_invalid", |_| resume("")),
    ("`auth.resume` of 10,000 bytes", "resume_invalid", |_| resume(&"x".repeat(10_000))),
    ("`auth.resume` is `v1.a.b.c`", "resume_invalid", |_| resume("v1.a.b.c")),
    ("a resume token with another user in it", "resume_invalid", |it| {
        resume(&it.unused.with_claims(|it| it.replace("\"ann\"", "\"bob\"")))
    }),
    ("a resume token of a key that is not known", "resume_invalid", |it| {
        resume(&it.unused.text.replacen(&it.unused.part(1), "another", 1))
    }),
    ("a resume token that somebody else has signed", "resume_invalid", |it| {
        resume(&it.unused.signed_by(b"a key of somebody else"))
    }),
    ("half a resume token", "resume_invalid", |it| {
        resume(&it.unused.text[..it.unused.text.len() / 2])
    }),
    ("a resume token that was used, as was the one after it", "resume_reused", |it| {
        resume(&it.used[0])
    }),
    ("a resume token after `userline:logout`", "resume_revoked", |it| resume(&it.logged_out)),
    ("a wrong token beside a wrong resume token", "token_invalid", |_| {
        r#"{"resume":"x","token":"y"}"#.to_owned()
    }),
];

/// What a guest sends, and what it is acked with.
const GUEST_ROWS: [(&str, &str, &str); 6] = [
    (
        "`userline:emit` of a guest",
        "guest_not_allowed",
        r#"425["userline:emit",{"to":{"user":"ann"},"event":"x"}]"#,
    ),
    (
        "`userline:watch` of a guest",
        "guest_not_allowed",
        r#"425["userline:watch",{"users":["ann"]}]"#,
    ),
    ("`userline:inbox` of a guest", "guest_not_allowed", r#"425["userline:inbox",{}]"#),
    (
        "`userline:refresh` of a guest, with nothing",
        "token_missing",
        r#"425["userline:refresh",{}]"#,
    ),
    (
        "`userline:refresh` of a guest, with `auth.user`",
        "token_missing",
        r#"425["userline:refresh",{"user":"ann"}]"#,
    ),
    (
        "`userline:refresh` of a guest, with a wrong token",
        "token_invalid",
        r#"425["userline:refresh",{"token":"x"}]"#,
    ),
];

/// The input of a guest for whom there is no room.
const NO_ROOM: &str = "no credentials, where there are as many guests as there may be";

pub(super) fn group() -> Group {
    let tokens = TOKEN_ROWS.iter().map(|(input, code, _)| (*input, Gets::refused(code)));
    let guests = GUEST_ROWS.iter().map(|(input, code, _)| (*input, Gets::acked(code)));
    let all = tokens.chain(guests).chain([(NO_ROOM, Gets::refused("guest_limit"))]);
    let rows = all.enumerate().map(|(index, (input, gets))| Row {
        input,
        gets,
        case: Case::Resumed(index),
    });
    Group { title: "Resume tokens and guests", rows: rows.collect() }
}

/// What a client gets that does what this row says, by one transport and by the other.
pub(super) async fn try_it(index: usize, expected: &Gets) -> Vec<Gets> {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::run(dir.path(), &configuration(&dir.path().join("data").display())).await;
    let mut crowd = Client::both(server.public).await;
    if index == TOKEN_ROWS.len() + GUEST_ROWS.len() {
        for guest in &mut crowd {
            greeted(guest, "").await;
        }
    }
    let mut got = Vec::new();
    for mut client in Client::both(server.public).await {
        let guest = index.checked_sub(TOKEN_ROWS.len());
        match guest {
            None => {
                let (_, _, auth) = TOKEN_ROWS[index];
                let auth = auth(&Tokens::of_ann(server.public).await);
                client.send(&[Packet::Text(format!("40{auth}"))]).await;
                got.push(client.judge_early(expected).await);
            }
            Some(guest) if guest < GUEST_ROWS.len() => {
                greeted(&mut client, "").await;
                client.send(&[Packet::Text(GUEST_ROWS[guest].2.to_owned())]).await;
                got.push(client.judge(expected).await);
            }
            Some(_) => {
                client.send(&[Packet::Text("40".to_owned())]).await;
                got.push(client.judge_early(expected).await);
            }
        }
    }
    got
}

fn configuration(data: &impl std::fmt::Display) -> String {
    format!(
        r#"
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
[admin]
keys = [{{ name = "test", key = "{KEY}", scopes = ["read"] }}]
[auth]
anonymous = true
[auth.jwt]
secret = "{JWT_SECRET}"
[guests]
max = 2
[sessions]
resume_ttl = "10m"
[messages]
client_to_client = "rule"
allow = ["x"]
[store]
data_dir = "{data}"
"#
    )
}

/// The `auth` of whoever has this resume token.
fn resume(token: &str) -> String {
    format!(r#"{{"resume":"{token}"}}"#)
}

/// Tokens that ann was given.
struct Tokens {
    unused: ResumeToken,
    /// Two, the second of which was given for the first.
    used: [String; 2],
    logged_out: String,
}

struct ResumeToken {
    text: String,
}

impl ResumeToken {
    fn part(&self, index: usize) -> String {
        self.text.split('.').nth(index).unwrap().to_owned()
    }

    fn with_claims(&self, change: impl Fn(&str) -> String) -> String {
        let claims = URL_SAFE_NO_PAD.decode(self.part(2)).unwrap();
        let changed = change(str::from_utf8(&claims).unwrap());
        self.text.replacen(&self.part(2), &URL_SAFE_NO_PAD.encode(changed), 1)
    }

    fn signed_by(&self, key: &[u8]) -> String {
        let message = self.text.rsplit_once('.').unwrap().0;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        let tag = hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

impl Tokens {
    async fn of_ann(public: SocketAddr) -> Self {
        let good = format!(r#"{{"token":"{}"}}"#, token("ann"));
        let unused = come(public, &good).await;
        let one = come(public, &good).await;
        let two = come(public, &resume(&one)).await;
        come(public, &resume(&two)).await;
        let [mut client, _] = Client::both(public).await;
        let logged_out = greeted(&mut client, &good).await;
        client.say("421[\"userline:logout\",{}]").await;
        while !client.hear().await.begins_with("431[") {}
        Self { unused: ResumeToken { text: unused }, used: [one, two], logged_out }
    }
}

/// A client comes with this `auth`, and goes. Returns its resume token.
async fn come(public: SocketAddr, auth: &str) -> String {
    let [mut client, other] = Client::both(public).await;
    let resume = greeted(&mut client, auth).await;
    other.leave().await;
    resume
}

/// A client comes with this `auth`. Returns its resume token.
async fn greeted(client: &mut Client, auth: &str) -> String {
    client.say(&format!("40{auth}")).await;
    let reply = client.hear().await;
    assert!(reply.begins_with("40{"), "{reply:?}");
    let Heard::Text(greeting) = client.hear().await else { panic!("no greeting") };
    let greeting: Value = serde_json::from_str(greeting.strip_prefix("42").unwrap()).unwrap();
    greeting[1]["resume"].as_str().unwrap().to_owned()
}
