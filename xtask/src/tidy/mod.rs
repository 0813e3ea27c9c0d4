//! `tidy`: the rules of ARCHITECTURE.md that the compiler does not hold. Reports every breach at once.

mod graph;
mod sources;

use anyhow::{Context, Result, bail};

use crate::{
    console::{complain, say},
    workspace::{command, output, root},
};

pub(crate) fn run() -> Result<()> {
    let metadata = output(command("cargo")?.args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata = serde_json::from_str(&metadata).context("cargo metadata does not print JSON")?;
    let mut breaches = graph::breaches(&graph::Graph::from_metadata(&metadata)?);

    let forbidden_paths = sources::machine_paths(root());
    // Tracked files, and those that could be: what is ignored is nobody's concern.
    let files = output(command("git")?.args(["ls-files", "--cached", "--others", "--exclude-standard"]))?;
    let files: Vec<&str> = files.lines().collect();
    for file in &files {
        // Neither deleted files nor images are text.
        if let Ok(text) = std::fs::read_to_string(root().join(file)) {
            breaches.extend(sources::breaches(file, &text, &forbidden_paths));
        }
    }
    for breach in &breaches {
        complain(breach);
    }
    if !breaches.is_empty() {
        bail!("{} breaches of the project's rules", breaches.len());
    }
    say(&format!("tidy: the dependency rules hold, {} files are clean", files.len()));
    Ok(())
}
