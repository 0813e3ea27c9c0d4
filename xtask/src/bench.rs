//! Runs the benchmarks of each package that has some and shows their figures. Asserts nothing: figures
//! depend on the machine.

use std::fs;

use anyhow::Result;

use crate::{
    console::say,
    workspace::{command, root, run},
};

/// Packages with benchmarks, and their folders, in the order of the layers.
const PACKAGES: [(&str, &str); 5] = [
    ("crypto", "crates/crypto"),
    ("backup", "crates/backup"),
    ("client", "crates/client"),
    ("storage-node", "storage-node"),
    ("coordinator", "coordinator"),
];

pub(crate) fn run_all() -> Result<()> {
    for (package, folder) in PACKAGES {
        let Ok(entries) = fs::read_dir(root().join(folder).join("benches")) else { continue };
        let files = entries.flatten().map(|entry| entry.path());
        let mut names: Vec<String> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        for name in names {
            say(&format!("\n== {package}: {name}"));
            run(command("cargo")?.args(["bench", "--quiet", "--package", package, "--bench", &name]))?;
        }
    }
    Ok(())
}
