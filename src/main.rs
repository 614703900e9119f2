//! The `userline` program.

use std::process::ExitCode;

/// Gives memory back to the system after a peak, which glibc's does not.
#[cfg(all(feature = "jemalloc", target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    userline::cli::main()
}
