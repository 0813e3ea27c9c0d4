//! Builds the programs and the web app. Cargo skips what is unchanged; Trunk does not, so the web app has
//! a stamp of what it was built from.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::Profile;
use crate::{
    console::say,
    workspace::{command, root, run, target},
};

/// What the web app is built from, besides `node_modules`, which follows from a lock file in here.
const WEB_SOURCES: [&str; 6] = ["frontend", "crates", "Trunk.toml", "Cargo.toml", "Cargo.lock", ".cargo"];

/// The folder with the built programs.
pub(crate) fn servers(profile: Profile) -> Result<PathBuf> {
    say("Building the servers.");
    let mut cargo = command("cargo")?;
    cargo.args(["build", "--quiet", "--package", "coordinator", "--package", "storage-node"]);
    cargo.args(["--package", "sync-agent"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    run(&mut cargo)?;
    Ok(target()?.join(if profile == Profile::Release { "release" } else { "debug" }))
}

/// The folder with the built web app.
pub(crate) fn web(profile: Profile) -> Result<PathBuf> {
    let (dist, cargo_profile) = match profile {
        Profile::Release => (root().join("dist"), "web"),
        Profile::Dev => (target()?.join("dist-dev"), "dev"),
    };
    let stamp_file = target()?.join(format!("web-{cargo_profile}.stamp"));
    let stamp = format!("{:016x}", fingerprint()?);
    let is_current = fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp);
    if is_current && dist.join("index.html").exists() {
        return Ok(dist);
    }
    say("Building the web app.");
    let mut trunk = command("trunk")?;
    trunk.args(["build", "--cargo-profile", cargo_profile, "--dist"]).arg(&dist);
    if profile == Profile::Release {
        trunk.arg("--release");
    }
    // Trunk reads NO_COLOR as a boolean and refuses the customary value 1.
    run(trunk.env_remove("NO_COLOR"))?;
    fs::write(&stamp_file, stamp).with_context(|| format!("cannot write {}", stamp_file.display()))?;
    Ok(dist)
}

/// A hash of the names, sizes and times of the sources.
fn fingerprint() -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for source in WEB_SOURCES {
        add(&root().join(source), &mut hasher).with_context(|| format!("cannot read {source}"))?;
    }
    Ok(hasher.finish())
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    if path.ends_with("node_modules") {
        return Ok(());
    }
    let metadata = path.metadata()?;
    path.hash(hasher);
    if metadata.is_dir() {
        let entries: Result<Vec<_>, _> = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect();
        let mut entries: Vec<PathBuf> = entries.map_err(|error: std::io::Error| error)?;
        entries.sort();
        return entries.iter().try_for_each(|entry| add(entry, hasher));
    }
    (metadata.len(), metadata.modified()?).hash(hasher);
    Ok(())
}
