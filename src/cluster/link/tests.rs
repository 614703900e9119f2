use super::{LinkError, RedisLink, RedisTarget, ServerFacts};
use crate::cluster::RedisCall;
use crate::cluster::tests::{TestRedis, cluster_config};
use crate::redis_server::RedisFailure;
use redis::Value;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const INFO: &str = "# Server\r\nredis_version:7.2.4\r\nrun_id:abc\r\n\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n\
                    aof_enabled:1\r\nrole:master\r\nmaster_replid:def\r\ncluster_enabled:0\r\n";

fn facts(changes: &[(&str, &str)]) -> ServerFacts {
    let info = changes.iter().fold(INFO.to_owned(), |info, (from, to)| {
        assert!(info.contains(from), "{from}");
        info.replace(from, to)
    });
    ServerFacts::read(&info, Some("everysec".to_owned()), true)
}

#[test]
fn a_server_as_it_should_be_needs_no_advice() {
    let facts = facts(&[]);
    assert_eq!((&*facts.run, facts.check()), ("abc.def", Ok(())));
    assert_eq!(facts.advice(), []);
}

#[test]
fn advice_says_what_to_set_and_what_is_not_known_is_no_error() {
    for (changes, command, expected) in [
        (
            vec![("maxmemory:0", "maxmemory:9"), ("noeviction", "allkeys-lru")],
            Some("CONFIG SET maxmemory-policy noeviction"),
            "deletes keys",
        ),
        (vec![("maxmemory:0", "x:9"), ("maxmemory_policy", "y")], None, "does not say what"),
        (
            vec![("aof_enabled:1", "aof_enabled:0")],
            Some("CONFIG SET appendonly yes"),
            "nothing on disk",
        ),
        (vec![("aof_enabled", "x")], None, "does not say whether"),
        (vec![("redis_version", "x")], None, "version"),
        (vec![("cluster_enabled:0", "cluster_enabled:1")], None, "Redis Cluster"),
    ] {
        let facts = facts(&changes);
        assert_eq!(facts.check(), Ok(()));
        let advice = facts.advice();
        assert_eq!((advice.len(), advice[0].command), (1, command), "{changes:?}");
        assert!(advice[0].what.contains(expected), "{advice:?}");
    }
    assert_eq!(ServerFacts::read("", None, false).advice().len(), 4);
}

#[test]
fn a_replica_and_an_old_version_are_refused() {
    assert_eq!(facts(&[("role:master", "role:slave")]).check(), Err(LinkError::Replica));
    for (version, is_good) in [("6.0.16", false), ("6.2.0", true), ("10.0.1", true), ("x", true)] {
        let check = facts(&[("7.2.4", version)]).check();
        assert_eq!(check.is_ok(), is_good, "{version}");
    }
}

#[tokio::test]
async fn a_link_runs_calls_and_ends_with_its_server() {
    let redis = TestRedis::start(|_, text| text);
    let target = RedisTarget::new(&cluster_config(redis.url()));
    let link = RedisLink::open(&target, PATIENCE).await.unwrap();
    assert!(link.server().version.is_some() && link.server().is_safe);

    let keys = ["log", "to:n.1"].map(|it| format!("userline:{{x}}:{it}"));
    let call = RedisCall::Read { keys, after: ["0-0".into(), "0-0".into()], entries_max: 1 };
    assert_eq!(link.call(&call).await, Ok(Value::Nil));
    assert_eq!(link.wait_for(&call, Duration::from_millis(1)).await, Ok(()));

    drop(redis);
    let ended = link.call(&call).await.unwrap_err();
    assert!(matches!(ended, LinkError::Redis(_)), "{ended:?}");
    let again = RedisLink::open(&target, PATIENCE).await.unwrap_err();
    assert!(matches!(again, LinkError::Redis(RedisFailure::Unreachable(_))), "{again:?}");
}
