use super::{RedisFailure, RedisServer, without_deadlines};
use crate::config::RedisLocation;
use redis::ProtocolVersion;
use std::time::Duration;
use tokio::net::TcpListener;

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

/// As Redis 7 answers where `HELLO` has another name.
#[test]
fn what_redis_repeats_of_a_command_is_not_told() {
    for said in [
        "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'default' 'hush' \r\n",
        "-ERR unknown command `AUTH`, with args beginning with: `hush`, \r\n",
        "-NOPERM unknown command 'AUTH', with args beginning with: 'hush' \r\n",
    ] {
        let value = redis::parse_redis_value(said.as_bytes()).unwrap();
        let failure = RedisFailure::from(value.extract_error().unwrap_err());
        let told = format!("{failure} {failure:?}");
        assert!(told.contains("unknown command") && !told.contains("hush"), "{told}");
    }
}

/// A plain Redis waits for the end of a line, which a TLS handshake does not have.
#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_named_as_that() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("rediss://{}", plain.local_addr().unwrap());
    let soon = without_deadlines().set_connection_timeout(Some(Duration::from_millis(100)));
    let failure = server(&url).connect(&soon).await.unwrap_err();
    assert!(failure.to_string().contains("does this port speak TLS?"), "{failure}");
    assert_eq!(server("redis://localhost").silence(), RedisFailure::Timeout);
}
