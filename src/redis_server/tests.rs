use super::{RedisFailure, RedisServer, without_deadlines};
use crate::config::RedisLocation;
use redis::ProtocolVersion;

fn server(url: &str) -> RedisServer {
    RedisServer::new(&RedisLocation::parse(url).unwrap(), ProtocolVersion::RESP2)
}

#[test]
fn what_is_sent_is_safe_on_this_machine_or_encrypted_with_a_password() {
    for (url, is_safe) in [
        ("redis://localhost", true),
        ("redis://127.0.0.1", true),
        ("redis://[::1]", true),
        ("unix:///run/redis.sock", true),
        ("redis://:pw@redis.example.com", false),
        ("rediss://redis.example.com", false),
        ("rediss://:pw@redis.example.com", true),
        ("redis+sentinel://:pw@localhost/main", false),
        ("rediss+sentinel://:pw@redis.example.com/main", true),
    ] {
        assert_eq!(server(url).is_safe(), is_safe, "{url}");
    }
}

#[tokio::test]
async fn sentinels_that_are_not_there_are_no_server() {
    let url = "redis+sentinel://:hush@127.0.0.1:1,[::1]:1/main";
    let failure = server(url).connect(&without_deadlines()).await.unwrap_err();
    assert!(matches!(failure, RedisFailure::Unreachable(_)), "{failure:?}");
}
