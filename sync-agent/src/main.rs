//! The program `triplicate-agent`.

fn main() {}
