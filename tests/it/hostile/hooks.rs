//! Where hooks may not go (server-side request forgery).

use super::client::peer::Peer;
use super::client::{Client, PATIENCE};
use super::gets::Gets;
use super::world::World;
use super::{Case, Group, Row};
use crate::rig::api::Api;
use crate::rig::server::{HOOK_SECRET, Server, Setup, token};
use crate::rig::{eventually, http};
use futures_util::FutureExt as _;
use std::net::SocketAddr;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Command;

pub(super) fn group() -> Group {
    let mut rows = addresses();
    rows.extend(urls());
    rows.push(Row::scene(
        "a name of this machine that is not `localhost`",
        Gets::AttemptFails,
        |world| Box::pin(named(world)),
    ));
    rows.push(Row::scene("an answer that leads elsewhere (302)", Gets::AttemptFails, |_| {
        Box::pin(redirected())
    }));
    Group { title: "Receivers of hooks", rows }
}

fn row(input: &'static str, why: &str, url: &'static str) -> Row {
    Row { input, gets: Gets::NotStarted(why.to_owned()), case: Case::HookUrl(url) }
}

fn addresses() -> Vec<Row> {
    let table = [
        ("`http://localhost/`", "http://localhost/"),
        ("`http://LOCALHOST/`", "http://LOCALHOST/"),
        ("`http://127.0.0.1/`", "http://127.0.0.1/"),
        ("`http://127.1/`", "http://127.1/"),
        ("`http://2130706433/`, which is 127.0.0.1", "http://2130706433/"),
        ("`http://0x7f000001/`, too", "http://0x7f000001/"),
        ("`http://0177.0.0.1/`, too", "http://0177.0.0.1/"),
        ("`http://１２７.０.０.１/`, too", "http://１２７.０.０.１/"),
        ("`http://127。0。0。1/`, too", "http://127。0。0。1/"),
        ("`http://%31%32%37.0.0.1/`, too", "http://%31%32%37.0.0.1/"),
        ("`http://0/`", "http://0/"),
        ("`http://10.0.0.1/`", "http://10.0.0.1/"),
        ("`http://172.16.0.1/`", "http://172.16.0.1/"),
        ("`http://192.168.0.1/`", "http://192.168.0.1/"),
        ("`http://100.64.0.1/`", "http://100.64.0.1/"),
        ("`http://169.254.169.254/` (metadata of clouds)", "http://169.254.169.254/"),
        ("`http://[::1]/`", "http://[::1]/"),
        ("`http://[::]/`", "http://[::]/"),
        ("`http://[::ffff:127.0.0.1]/`", "http://[::ffff:127.0.0.1]/"),
        ("`http://[::ffff:a9fe:a9fe]/`", "http://[::ffff:a9fe:a9fe]/"),
        ("`http://[64:ff9b::7f00:1]/` (NAT64)", "http://[64:ff9b::7f00:1]/"),
        ("`http://[2002:7f00:1::]/` (6to4)", "http://[2002:7f00:1::]/"),
        ("`http://[fe80::1]/`", "http://[fe80::1]/"),
        ("`http://[fd00:ec2::254]/` (metadata of a cloud)", "http://[fd00:ec2::254]/"),
    ];
    table.map(|(input, url)| row(input, "is a private address", url)).into()
}

fn urls() -> Vec<Row> {
    let table = [
        (
            "`http://example.com@127.0.0.1/`",
            "must not hold a name or password",
            "http://example.com@127.0.0.1/",
        ),
        ("`file:///etc/passwd`", "must be a URL", "file:///etc/passwd"),
        ("`ftp://example.com/`", "must be a URL", "ftp://example.com/"),
        ("`gopher://example.com/`", "must be a URL", "gopher://example.com/"),
        ("`javascript:alert(1)`", "must be a URL", "javascript:alert(1)"),
        ("`//example.com/`", "must be a URL", "//example.com/"),
        ("`http://`", "must be a URL", "http://"),
        ("`http://example.com:99999/`", "must be a URL", "http://example.com:99999/"),
    ];
    table.map(|(input, why, url)| row(input, why, url)).into()
}

/// What `userline config check` says of a `hooks.url`.
pub(super) async fn check(url: &str) -> Gets {
    let said =
        refusal(&[&format!("hooks.secret={HOOK_SECRET}"), &format!("hooks.url={url}")]).await;
    let known = ["is a private address", "must not hold a name or password", "must be a URL"];
    let why = known.into_iter().find(|why| said.contains(why));
    Gets::NotStarted(why.unwrap_or(&said).to_owned())
}

/// What it says of other settings: the expected, if that is in it.
pub(super) async fn refused(settings: &[&str], expected: &Gets) -> Gets {
    let said = refusal(settings).await;
    if let Gets::NotStarted(why) = expected
        && said.contains(why)
    {
        return expected.clone();
    }
    Gets::NotStarted(said)
}

async fn refusal(settings: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_userline"));
    command.args(["config", "check"]).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    for setting in ["auth.jwt.secret=0123456789abcdef0123456789abcdef"].iter().chain(settings) {
        command.args(["--set", setting]);
    }
    let output = command.output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.code() == Some(78) { said } else { format!("{:?} {said}", output.status) }
}

/// The server's own configuration has such a receiver, and somebody has come online. That nothing arrives there is
/// looked at in the end.
async fn named(world: &World) -> Gets {
    fails(world.server.admin).await
}

/// A receiver that is allowed leads to one that is not asked for anything.
async fn redirected() -> Gets {
    let dir = tempfile::tempdir().unwrap();
    let [receiver, canary] = [listener().await, listener().await];
    let [url, elsewhere] =
        [&receiver, &canary].map(|it| format!("http://{}/", it.local_addr().unwrap()));
    let server = Server::start(dir.path(), &url, Setup::default()).await;
    let client = Client::WebSocket(Peer::open(server.public).await);
    let answer = async {
        let (mut stream, _) = receiver.accept().await.unwrap();
        let mut rest = Vec::new();
        http::read(&mut stream, &mut rest).await.unwrap();
        let head =
            format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
    };
    let token = token("eve");
    let (_client, ()) = tokio::join!(client.join(&token), answer);
    let gets = fails(server.admin).await;
    assert!(canary.accept().now_or_never().is_none(), "the answer was followed");
    gets
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Waits until a hook was tried.
async fn fails(admin: SocketAddr) -> Gets {
    let api = Api::new(admin);
    let is_tried = async || {
        let status = api.get("/v1/hooks/endpoints").await;
        !status["endpoints"][0]["last_error"].is_null()
    };
    eventually("a hook was tried", PATIENCE, is_tried).await;
    Gets::AttemptFails
}
