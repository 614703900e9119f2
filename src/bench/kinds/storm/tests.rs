//! What those see who are cut off.

use super::{Crowd, StormFindings, Witness};
use crate::bench::fleet::FleetObserver as _;
use std::time::Duration;

#[test]
fn who_was_offline_has_another_session_afterwards() {
    let mut crowd = Crowd::new(3, Witness::new(2, "", "ping"));
    let mut tell = |socket, packet: &str| crowd.packet(socket, packet.as_bytes(), Duration::ZERO);
    tell(0, r#"42["userline:session",{"expires_at":null,"session":5,"user":"a"},"7"]"#);
    tell(1, r#"42["userline:session",{"session":6}]"#);
    tell(0, r#"42["userline:session",{"session":5}]"#);
    tell(1, r#"42["userline:session",{"session":9}]"#);
    tell(2, r#"42["chat","["userline:session",{"session":1}]"]"#);
    tell(2, r#"42/chat,["userline:session",{"session":1}]"#);
    tell(2, r#"42/chat,["userline:session",{"session":2}]"#);

    let expected = StormFindings { longest_stall_us: None, new_sessions: 2 };
    assert_eq!(crowd.end(Duration::from_secs(1)), expected);
}
