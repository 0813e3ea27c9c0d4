//! What the user reads. A closed pipe (`./start | head`) must not end the servers, so failures to write
//! are ignored, which `println!` does not do.

use std::io::{Write, stderr, stdout};

pub(crate) fn say(line: &str) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

pub(crate) fn complain(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}
