//! The `userline` program.

fn main() {}
