//! Clients that send too fast, and limits that make no sense. Each client has a server of its own.

use super::client::peer::Peer;
use super::client::{Client, Heard, PATIENCE, Packet};
use super::gets::Gets;
use super::{Case, Group, Row, request};
use crate::rig::eventually;
use crate::rig::server::{JWT_SECRET, KEY, Server, token};
use tempfile::TempDir;

/// A setting, and what is said of it.
const SETTINGS: [(&str, &str, &str); 7] = [
    ("`limits.events_burst = 0`", "limits.events_burst=0", "from 1 to 1000000"),
    ("`limits.events_per_s = -1`", "limits.events_per_s=-1", "from 0 to 1000000"),
    ("`limits.events_per_s = 1.5`", "limits.events_per_s=1.5", "from 0 to 1000000"),
    ("`limits.bytes_per_s = \"fast\"`", "limits.bytes_per_s=fast", "must be a size"),
    ("`limits.bytes_burst = 0`", "limits.bytes_burst=0", "must be a size"),
    (
        "a rate of an event with `burst = 0`",
        r#"limits.event_rates=[{event="x",per_s=1,burst=0}]"#,
        "from 1 to 1000000",
    ),
    (
        "a rate of an event with `per_s = 0`",
        r#"limits.event_rates=[{event="x",per_s=0,burst=1}]"#,
        "from 1 to 1000000",
    ),
];

pub(super) fn group() -> Group {
    let mut rows = vec![
        Row::scene(
            "100 events at once, five times `limits.events_burst`: the last one",
            Gets::says("4399[1]"),
            |_| Box::pin(held_back("events_per_s = 50\nevents_burst = 20", 100, 1)),
        ),
        Row::scene(
            "10 events of 9 KB at once, nine times `limits.bytes_burst`: the last one, cut here",
            Gets::says("439[…]"),
            |_| Box::pin(held_back("bytes_per_s = \"40KB\"\nbytes_burst = \"10KB\"", 10, 9000)),
        ),
        Row::scene(
            "4 events at once of a name with a rate of its own and `burst = 1`: the last one",
            Gets::acked("unknown_event"),
            |_| Box::pin(held_back_by_name()),
        ),
        Row::scene("events without end, fifty times `limits.events_per_s`", Gets::Ends, |_| {
            Box::pin(flooded())
        }),
        Row::scene(
            "a request to be answered later, behind eight of the user's other tab and `limits.requests_per_user = 8`",
            Gets::acked("too_many_requests"),
            |_| Box::pin(open_elsewhere()),
        ),
    ];
    let settings = SETTINGS.map(|(input, setting, why)| Row {
        input,
        gets: Gets::NotStarted(why.to_owned()),
        case: Case::Setting(setting),
    });
    rows.extend(settings);
    Group { title: "Sending too fast", rows }
}

async fn limited(limits: &str) -> (Server, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n\
         [admin]\nkeys = [{{ name = \"test\", key = \"{KEY}\", scopes = [\"read\"] }}]\n\
         [auth.jwt]\nsecret = \"{JWT_SECRET}\"\n[store]\ndata_dir = \"{}\"\n[limits]\n{limits}\n",
        dir.path().join("data").display()
    );
    (Server::run(dir.path(), &config).await, dir)
}

fn ping(n: usize, digits: usize) -> Packet {
    Packet::Text(format!("42{n}[\"userline:ping\",{}]", "1".repeat(digits)))
}

/// What comes last, by both transports, if all before was acked in its order.
async fn held_back(limits: &str, count: usize, digits: usize) -> Gets {
    let (server, _dir) = limited(limits).await;
    let mut last = String::new();
    for client in Client::both(server.public).await {
        let mut client = client.join(&token("eve")).await;
        client.send(&(0..count).map(|n| ping(n, digits)).collect::<Vec<_>>()).await;
        for n in 0..count {
            let wanted = format!("43{n}[{}]", "1".repeat(digits));
            let heard = client.hear().await;
            assert_eq!(heard, Heard::Text(wanted.clone()), "with {limits}");
            last = if digits == 1 { wanted } else { format!("43{n}[…]") };
        }
        client.leave().await;
    }
    Gets::Says(last)
}

/// The same of an event that has a rate of its own, and that nothing listens to.
async fn held_back_by_name() -> Gets {
    let rate = "event_rates = [{ event = \"typing\", per_s = 4, burst = 1 }]";
    let (server, _dir) = limited(rate).await;
    for client in Client::both(server.public).await {
        let mut client = client.join(&token("eve")).await;
        let events = (0..4).map(|n| Packet::Text(format!("42{n}[\"typing\"]")));
        client.send(&events.collect::<Vec<_>>()).await;
        for n in 0..4 {
            let heard = client.hear().await;
            let is_ack = matches!(&heard, Heard::Text(it) if it.contains("unknown_event"));
            assert!(heard.begins_with(&format!("43{n}[")) && is_ack, "{heard:?}");
        }
        client.leave().await;
    }
    Gets::acked("unknown_event")
}

/// A client asks while another one of its user waits for as many answers as there may be, and for more behind them.
async fn open_elsewhere() -> Gets {
    let clients = "[messages]\nclient_to_client = \"rule\"\nallow = [\"x\"]";
    let (server, _dir) = limited(&format!("requests_per_user = 8\n{clients}")).await;
    let [asking, waiting] = Client::both(server.public).await;
    let mut asking = asking.join(&token("eve")).await;
    let mut waiting = waiting.join(&token("eve")).await;
    // Nobody acks these.
    let emit = |n: usize| {
        let argument = r#"{"to":{"user":"eve"},"event":"x","ack":10000}"#;
        Packet::Text(format!("42{n}[\"userline:emit\",{argument}]"))
    };
    waiting.send(&(0..64).map(emit).collect::<Vec<_>>()).await;
    for _ in 0..8 {
        let heard = asking.hear().await;
        assert!(heard.begins_with("42"), "{heard:?}");
    }
    // Between two of them there may be room for a moment.
    for _ in 0..20 {
        asking.say("425[\"userline:inbox\",{}]").await;
        let answer = loop {
            let heard = asking.hear().await;
            if !heard.begins_with("42") {
                break heard;
            }
        };
        if matches!(&answer, Heard::Text(it) if it.contains("too_many_requests")) {
            asking.leave().await;
            return Gets::acked("too_many_requests");
        }
        assert!(answer.begins_with("435["), "{answer:?}");
    }
    Gets::Silence
}

/// Its connection is closed, and the reason is there for people to find.
async fn flooded() -> Gets {
    let (server, _dir) = limited("events_per_s = 20\nevents_burst = 20").await;
    let client = Client::WebSocket(Peer::open(server.public).await);
    let mut client = client.join(&token("eve")).await;
    client.send(&(0..1000).map(|n| ping(n, 1)).collect::<Vec<_>>()).await;
    let mut acked = 0;
    while let Heard::Text(_) = client.hear().await {
        acked += 1;
    }
    assert!(acked < 1000, "{acked}");
    let head = format!(
        "GET /v1/users/eve/history HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
         Authorization: Bearer {KEY}\r\n\r\n"
    );
    // The client hears of it before it is written down.
    let is_said = async || {
        let history = request::send(server.admin, head.as_bytes()).await.unwrap().json();
        history["sockets"][0]["reason"] == "rate_limited"
    };
    eventually("the reason is there", PATIENCE, is_said).await;
    Gets::Ends
}
