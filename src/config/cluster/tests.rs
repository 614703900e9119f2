use crate::config::{Config, Sources};
use crate::core::cluster::agreement::Agreement;
use std::time::Duration;

fn load(settings: &[(&str, &str)]) -> Result<Config, String> {
    let sources =
        Sources::new().with_flag("--set", "auth.jwt.secret", "0123456789abcdef0123456789abcdef");
    let sources = settings
        .iter()
        .fold(sources, |sources, (key, value)| sources.with_flag("--set", key, value));
    Config::load(&sources).map_err(|errors| errors.to_string())
}

#[test]
fn one_node_needs_nothing() {
    assert!(load(&[]).unwrap().cluster.is_none());
}

#[test]
fn the_address_of_redis_makes_a_cluster_of_it() {
    let cluster = load(&[("cluster.redis", "redis://localhost")]).unwrap().cluster.unwrap();

    assert_eq!((cluster.name.as_str(), cluster.log_bytes), ("userline", 16_000_000));
    assert!(cluster.redis.ca.is_none());
    assert_eq!(cluster.heartbeat, Duration::from_secs(5));
    assert_eq!(cluster.lease, Duration::from_secs(15));
    assert_eq!((cluster.node_grace, cluster.hold), (Duration::from_secs(20), cluster.node_grace));
}

#[test]
fn what_cannot_work_is_refused_and_no_password_is_shown() {
    let redis = ("cluster.redis", "redis://:hush@localhost");
    for (setting, expected) in [
        (("cluster.redis", "http://:hush@localhost"), "cluster.redis"),
        (("cluster.name", "a{b}"), "cluster.name"),
        (("cluster.name", ""), "cluster.name"),
        (("cluster.lease", "14s"), "cluster.lease"),
        (("cluster.log_bytes_max", "1KB"), "cluster.log_bytes_max"),
        (("cluster.durability", "perhaps"), "cluster.durability"),
        (("cluster.forward", "true"), "cluster.advertise"),
        (("cluster.forward", "perhaps"), "cluster.forward"),
        (("cluster.listen", "somewhere:4002"), "cluster.listen"),
    ] {
        let errors = load(&[redis, setting]).unwrap_err();
        assert!(errors.starts_with(expected) && !errors.contains("hush"), "{errors}");
    }
}

#[test]
fn nodes_that_hand_on_requests_know_each_other_and_where_they_are() {
    let on = [("cluster.redis", "redis://localhost"), ("cluster.forward", "true")];
    let advertise = ("cluster.advertise", "10.0.0.5:4002");
    let with = |more: &[(&str, &str)]| load(&[&on[..], more].concat());

    let secret = ("cluster.secret", "hush-hush-hush-hush");
    let forward = with(&[advertise, secret]).unwrap().cluster.unwrap().forward.unwrap();
    assert_eq!((forward.host.as_str(), forward.port), ("10.0.0.5", 4002));
    assert_eq!(forward.listen.port(), 4002);
    for (settings, key) in [
        (vec![secret], "cluster.advertise"),
        (vec![secret, ("cluster.advertise", "10.0.0.5")], "cluster.advertise"),
        (vec![advertise], "cluster.secret"),
    ] {
        let error = with(&settings).unwrap_err();
        assert!(error.starts_with(key) && error.lines().count() == 1, "{error}");
    }
}

#[test]
fn resume_tokens_of_many_nodes_are_signed_with_what_all_of_them_know() {
    let (redis, ttl) = (("cluster.redis", "redis://localhost"), ("sessions.resume_ttl", "10m"));
    let error = load(&[redis, ttl]).unwrap_err();
    assert!(error.starts_with("cluster.secret") && error.lines().count() == 1, "{error}");
    let secret = ("cluster.secret", "hush-hush-hush-hush");
    let terms = |settings: &[(&str, &str)]| load(settings).unwrap().agreement().unwrap();
    let other = ("sessions.resume_ttl", "11m");
    assert_ne!(terms(&[redis, secret, ttl]).must, terms(&[redis, secret, other]).must);
    assert_ne!(terms(&[redis, secret, ttl]).must, terms(&[redis, secret]).must);
}

#[test]
fn what_nodes_agree_on_follows_the_configuration_and_shows_no_secret() {
    let redis = ("cluster.redis", "redis://localhost");
    let agreement = |settings: &[(&str, &str)]| {
        let config = load(&[&[redis], settings].concat()).unwrap();
        config.agreement().unwrap()
    };
    assert_eq!(agreement(&[]), agreement(&[]));
    assert!(load(&[]).unwrap().agreement().is_none());
    let secret = ("cluster.secret", "hush-hush-hush-hush");
    for (setting, key) in [
        (secret, "cluster.secret"),
        (("cluster.lease", "20s"), "cluster.lease"),
        (("cluster.node_grace", "21s"), "cluster.node_grace"),
        (("cluster.hold", "21s"), "cluster.hold"),
        (("presence.grace", "21s"), "presence.grace"),
        (("recovery.window", "21s"), "recovery.window"),
        (("recovery.except", r#"["/chat"]"#), "recovery.except"),
        (("socketio.namespaces", r#"["/", "/chat"]"#), "socketio.namespaces"),
        (("cluster.log_bytes_max", "17MB"), "cluster.log_bytes_max"),
        (("cluster.durability", "replica"), "cluster.durability"),
        (("store.keep_events", "8d"), "store.keep_events"),
        (("hooks.retry_for", "71h"), "hooks.retry_for"),
        (("guests.hooks", "true"), "guests.hooks"),
        (("limits.restricted_users", "7"), "limits.restricted_users"),
        (("limits.memberships", "7"), "limits.memberships"),
        (("limits.memberships_per_user", "7"), "limits.memberships_per_user"),
        (("admin.idempotency_max", "1001"), "admin.idempotency_max"),
        (("admin.idempotency_bytes", "1MB"), "admin.idempotency_bytes"),
        (("sessions.max_sockets_per_user", "7"), "sessions.max_sockets_per_user"),
        (("auth.jwt.secret", "another-456789abcdef0123456789abcdef"), "auth"),
        (("auth.jwt.leeway", "1s"), "auth"),
    ] {
        let (usual, other) = (agreement(&[]), agreement(&[setting]));
        let terms = |it: &Agreement| [it.must.clone(), it.should.clone()].concat();
        let both = terms(&usual).into_iter().zip(terms(&other));
        let differ: Vec<_> = both.filter(|(usual, other)| usual != other).collect();
        let keys: Vec<_> = differ.iter().map(|it| it.0.key).collect();
        // Its fingerprint is made with the secret, too.
        let with_auth = [key, "auth"];
        let expected = if setting == secret { &with_auth[..] } else { &with_auth[..1] };
        assert_eq!(keys, expected, "{setting:?}");
        assert!(
            !format!("{other:?}").contains("hush") && !format!("{other:?}").contains("another")
        );
    }
    let named = agreement(&[secret, ("cluster.name", "other")]);
    assert_ne!(named.must, agreement(&[secret]).must, "a fingerprint is of one name only");
    let order = |text| agreement(&[("socketio.namespaces", text)]);
    assert_eq!(order(r#"["/", "/chat"]"#), order(r#"["/chat", "/"]"#));
    let error = load(&[redis, ("cluster.secret", "too-short")]).unwrap_err();
    assert!(error.starts_with("cluster.secret") && !error.contains("too-short"), "{error}");
}
