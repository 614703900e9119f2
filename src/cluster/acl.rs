//! What a user of Redis must be allowed so that userline can work as it, and no more.

use super::codec;
use super::scripts::Script;
use crate::config::Durability;
use std::collections::BTreeSet;

/// What links ask for beside the scripts.
const OF_LINKS: [&str; 6] = ["evalsha", "exists", "info", "script|load", "select", "xread"];

/// The command that makes such a user for the cluster called `name`; `PASSWORD` stands for its password.
pub fn acl_command(user: &str, name: &str, durability: Durability) -> String {
    let confirming: &[&str] = match durability {
        Durability::Async => &[],
        Durability::Replica => &["set", "wait"],
        // Before Redis 7.2 nobody can be allowed this.
        Durability::Fsync => &["set", "waitaof"],
    };
    let mut commands = commands();
    commands.extend(confirming.iter().map(|it| (*it).to_owned()));
    let commands: Vec<String> = commands.iter().map(|it| format!("+{it}")).collect();
    let keys = codec::prefix(name);
    format!("ACL SETUSER {user} reset on >PASSWORD ~{keys}* {}", commands.join(" "))
}

fn commands() -> BTreeSet<String> {
    let scripts: Vec<String> = Script::ALL.into_iter().map(|it| it.text_for(false)).collect();
    // `redis.call('NAME'` or `redis.pcall('NAME'`
    let called = scripts.iter().flat_map(|it| it.split("call('").skip(1));
    let named = called.filter_map(|it| it.split('\'').next()).map(str::to_ascii_lowercase);
    named.chain(OF_LINKS.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::{acl_command, commands};
    use crate::config::Durability;

    #[test]
    fn it_names_what_the_scripts_call_and_nothing_that_is_of_no_use() {
        let command = acl_command("ann", "shop", Durability::Async);
        assert!(
            command.starts_with("ACL SETUSER ann reset on >PASSWORD ~userline:{shop}:* +"),
            "{command}"
        );
        let with = |durability| acl_command("ann", "shop", durability);
        assert!(
            with(Durability::Replica).contains(" +wait ")
                || with(Durability::Replica).contains(" +wait\n")
        );
        assert!(with(Durability::Fsync).contains("+waitaof") && !command.contains("+wait"));
        let commands = commands();
        for used in ["evalsha", "hset", "xadd", "zadd", "time", "script|load"] {
            assert!(commands.contains(used), "{commands:?}");
        }
        for idle in ["eval", "keys", "scan", "config", "flushall", "client"] {
            assert!(!commands.contains(idle), "{commands:?}");
        }
    }
}
