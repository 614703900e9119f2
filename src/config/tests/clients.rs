//! Which events of clients go where.

use super::*;

const SIGNED: &str =
    "url = \"https://b.example/\"\nsecret = \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\"\n";

/// What is wrong with these sections; nothing if all is well.
fn told(events: &str, messages: &str) -> String {
    let file = file(&format!("[events]\n{events}\n[messages]\n{messages}\n"));
    let loaded = Config::load(&with_secret().with_file(file.path()));
    loaded.err().map(|errors| errors.to_string()).unwrap_or_default()
}

#[test]
fn events_and_their_backend_go_together() {
    let signed = |more: &str| told(&format!("{SIGNED}{more}"), "");
    assert_eq!(signed("allow = [\"chat:*\", \"order\"]"), "");
    assert_eq!(signed("namespaces = [{ name = \"/\", allow = [\"*\"] }]"), "");
    for (says, told) in [
        ("events.allow = []: must name at least one event", signed("")),
        ("events.url: is missing: events.allow", told("allow = [\"a\"]", "")),
        (
            "events.url: is missing beside a secret",
            told("secret = \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\"", ""),
        ),
        ("events.secret: is missing", told("url = \"https://b.example/\"\nallow = [\"a\"]", "")),
        (
            "events.url = \"http://127.0.0.1/\": is a private address",
            told("url = \"http://127.0.0.1/\"\nallow = [\"a\"]", ""),
        ),
        (
            "events.allow = \"userline:*\": must be the name of an event",
            signed("allow = [\"userline:*\"]"),
        ),
        (
            "events.ordered = \"connect\": must be",
            signed("allow = [\"a\"]\nordered = [\"connect\"]"),
        ),
        (
            "events.namespaces[0].name = \"/x\": must be one of socketio.namespaces",
            signed("namespaces = [{ name = \"/x\", allow = [\"*\"] }]"),
        ),
    ] {
        assert!(told.starts_with(says), "{says}: {told}");
    }
}

/// What is wrong with this file; nothing if all is well.
fn told_of(text: &str) -> String {
    let file = file(text);
    let loaded = Config::load(&with_secret().with_file(file.path()));
    loaded.err().map(|errors| errors.to_string()).unwrap_or_default()
}

#[test]
fn what_the_backend_is_asked_and_where_go_together() {
    let clients = "[messages]\nclient_to_client = \"rule\"\nallow = [\"a\"]\n";
    for (asks, key) in [
        ("[rooms]\njoin_by_hook = [\"doc:*\"]\n".to_owned(), "rooms.join_by_hook"),
        (format!("{clients}to_users = [\"hook\"]\n"), "messages.to_users"),
        (format!("{clients}to_rooms_by_hook = [\"*\"]\n"), "messages.to_rooms_by_hook"),
        ("[presence]\nshown_to = [\"shared_room\", \"hook\"]\n".to_owned(), "presence.shown_to"),
    ] {
        let told = told_of(&asks);
        let missing = format!("permissions.url: is missing: {key} has your backend asked");
        assert!(told.starts_with(&missing), "{told}");
        assert_eq!(told_of(&format!("{asks}[permissions]\n{SIGNED}")), "");
    }
    let alone = |more: &str| told_of(&format!("[permissions]\n{more}"));
    for (says, told) in [
        ("permissions.url = \"https://b.example/\": is never asked", alone(SIGNED)),
        (
            "permissions.url = \"http://127.0.0.1/\": is a private address",
            alone("url = \"http://127.0.0.1/\""),
        ),
        ("permissions.good_for = \"1s\": must be", alone("good_for = \"1s\"")),
        (
            "permissions.url = \"https://b.example/\": is never asked",
            told_of(&format!("[messages]\nto_users = [\"hook\"]\n[permissions]\n{SIGNED}")),
        ),
        (
            "rooms.join_by_hook = \"a*b\": must be a name",
            told_of("[rooms]\njoin_by_hook = [\"a*b\"]"),
        ),
    ] {
        assert!(told.starts_with(says), "{says}: {told}");
    }
}

#[test]
fn what_clients_send_to_each_other_is_sent_by_nobody_else() {
    let with = |may_emit: &str, allow: &str| {
        let events = format!("{SIGNED}allow = [\"a\"]\nmay_emit = [{may_emit}]");
        told(&events, &format!("client_to_client = \"rule\"\nallow = [{allow}]"))
    };
    assert_eq!(with("\"order:*\"", "\"typing\", \"chat:*\""), "");
    for (may_emit, allow) in [
        ("\"order:*\"", "\"order:paid\""),
        ("\"order:paid\"", "\"order:*\""),
        ("\"*\"", "\"typing\""),
    ] {
        let told = with(may_emit, allow);
        assert!(
            told.contains("must have no name in common with events.may_emit"),
            "{allow}: {told}"
        );
    }
    assert!(with("", "\"*\"").starts_with("messages.allow = \"*\": must not be all events"));
    assert!(with("", "").starts_with("messages.allow = []: must name at least one event"));
    assert!(
        told("", "to_users = [\"everybody\"]")
            .starts_with("messages.to_users = \"everybody\": must be")
    );
}
