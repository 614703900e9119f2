//! The real program: what it prints, what it sends, and how it ends.

mod admin;
mod bench;
mod health;
mod hooks;
mod log;
mod offline;
mod server;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// No command takes longer on the slowest machine.
const DEADLINE: Duration = Duration::from_secs(30);

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

fn userline(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_userline"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("USERLINE") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

async fn run(args: &[&str]) -> Ended {
    end_of(userline(args)).await
}

async fn end_of(mut command: Command) -> Ended {
    let output = timeout(DEADLINE, command.output()).await.expect("it ends in time").unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
