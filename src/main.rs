//! The `userline` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    userline::cli::main()
}
