//! Programs that `./test` installs for a checkout.

use std::path::PathBuf;

/// A program in the checkout's folder of tools, like `bin/NAME`; where it is not there, what is on PATH.
pub fn installed(place: &str) -> PathBuf {
    let test = std::env::current_exe().expect("Linux tells a program its own path");
    let tools = test.ancestors().map(|folder| folder.join("tools").join(place));
    let name = place.rsplit('/').next().unwrap_or(place);
    tools.into_iter().find(|program| program.is_file()).unwrap_or_else(|| name.into())
}
