//! Whatever changes an inbox, all sockets of its user hear of it, and nobody else.

use crate::app::testing::{TestApp, TestClient};
use crate::core::emit::audience::Audience;
use crate::core::emit::message::{Emit, Message, StoreOptions, WhenUndelivered};
use crate::core::inbox::{Keep, SeenItems};
use crate::types::{EventName, Except, ItemSeq, Namespace, Payload, Target, UserId};
use std::sync::Arc;

fn ann() -> UserId {
    UserId::parse("ann").unwrap()
}

/// Puts an item into the inbox of ann.
async fn store(app: &TestApp) {
    let target = Target { users: vec![ann()], ..Target::default() };
    let audience = Audience { namespace: Namespace::root(), target, except: Except::default() };
    let message = Message {
        emit: Emit {
            audience: Arc::new(audience),
            event: EventName::parse("x").unwrap(),
            payload: Payload::default(),
            volatile: false,
            source: None,
        },
        store: Some(StoreOptions { keep: Keep::Always, ttl: None, collapse_key: None, id: None }),
        acks: None,
        undelivered: WhenUndelivered::Nothing,
    };
    assert_eq!(app.realtime.messages.post(message).await.unwrap().stored.len(), 1);
}

async fn heard(app: &TestApp, client: &TestClient) -> Vec<String> {
    app.hear(client).await.split('\u{1e}').map(str::to_owned).collect()
}

fn numbers(namespace: &str, head: u64, unread: u64, read_upto: u64) -> String {
    format!(
        "42{namespace}[\"userline:inbox\",{{\"head\":{head},\"unread\":{unread},\"read_upto\":{read_upto},\"min_seq\":1}}]"
    )
}

#[tokio::test]
async fn every_change_is_told_to_all_sockets_of_the_user_once() {
    let app = TestApp::with(|config| {
        config.socketio.namespaces.push(Namespace::parse("/chat").unwrap());
    });
    let root = app.connect("ann").await;
    let chat = app.connect_in("/chat", "ann", &[], None).await;
    let bob = app.connect("bob").await;
    let inboxes = &app.realtime.inboxes;

    store(&app).await;
    assert_eq!(heard(&app, &root).await, ["42[\"x\"]".to_owned(), numbers("", 1, 1, 0)]);
    assert_eq!(heard(&app, &chat).await, [numbers("/chat,", 1, 1, 0)]);
    let state = inboxes.mark_read(&ann(), SeenItems::Upto(ItemSeq(1))).await.unwrap();
    assert_eq!(heard(&app, &root).await, [numbers("", 1, 0, 1)]);
    assert_eq!(heard(&app, &chat).await, [numbers("/chat,", 1, 0, 1)]);
    inboxes.tell(&ann(), state);
    assert_eq!(root.socket.connection.queued(), 0, "they know that already");
    assert!(inboxes.delete_item(&ann(), ItemSeq(1)).await.unwrap().is_some());
    assert_ne!(root.socket.connection.queued(), 0);

    assert!(inboxes.delete_item(&ann(), ItemSeq(1)).await.unwrap().is_none(), "it is gone");
    assert_eq!(bob.socket.connection.queued(), 0);
}

#[tokio::test]
async fn what_a_client_lacks_is_sent_in_order_and_then_the_numbers() {
    let app = TestApp::new();
    for _ in 0..3 {
        store(&app).await;
    }
    let ann = app.connect("ann").await;

    app.realtime.inboxes.replay(Arc::clone(&ann.socket), ItemSeq(1));

    let mut packets = Vec::new();
    while packets.len() < 3 {
        packets.extend(heard(&app, &ann).await);
    }
    for (packet, seq) in packets.iter().zip([2, 3]) {
        assert!(
            packet.starts_with(&format!("42[\"userline:inbox:item\",{{\"seq\":{seq},")),
            "{packet}"
        );
    }
    assert!(packets[2].contains("\"head\":3") && packets[2].contains("\"has_more\":false"));
}
