//! What one user may have of the sessions that are kept.

use super::{
    LIMITS, Recovery, RecoveryLimits, TestSocket, Timestamp, attach, id, pid, socket, user,
};

#[test]
fn a_user_who_comes_and_goes_makes_nobody_else_forgotten() {
    let limits = RecoveryLimits { sessions_per_user: 3, ..LIMITS };
    let mut it: Recovery<TestSocket> = Recovery::new(limits, 7);
    let go = |it: &mut Recovery<TestSocket>, u: u8, n: u8| {
        attach(it, socket(u, n), None, &n.to_string(), 0);
        it.detach(&pid(&n.to_string()), id(n), Timestamp(0));
    };
    go(&mut it, 2, 1);
    for n in 2..60 {
        go(&mut it, 1, n);
    }

    let is_there = |it: &Recovery<TestSocket>| {
        let all = it.dump().sessions;
        (1..60).filter(|n| all.iter().any(|(name, _)| *name == pid(&n.to_string()))).collect()
    };
    let kept: Vec<u8> = is_there(&it);
    assert_eq!(kept, [1, 57, 58, 59]);
    let mut restarted: Recovery<TestSocket> =
        Recovery::new(RecoveryLimits { sessions_per_user: 2, ..LIMITS }, 8);
    restarted.restore(it.dump(), Timestamp(0));
    assert_eq!(is_there(&restarted), [1, 58, 59], "a restart brings no more than may be");
    restarted.erase(&user(1));
    assert_eq!(is_there(&restarted), [1]);
}
