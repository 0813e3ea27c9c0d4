//! Where things are in the checkout, and how its tools are run.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, bail};

/// The checkout this program was built from.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the checkout")
}

/// This program's own path, as it was when first asked. It must be asked before cargo runs: cargo may build this program
/// anew, and Linux then calls the old file `xtask (deleted)`.
pub(crate) fn program() -> Result<&'static Path> {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = PROGRAM.get() {
        return Ok(path);
    }
    let path = env::current_exe().context("cannot find this program's own path")?;
    Ok(PROGRAM.get_or_init(|| path))
}

/// Cargo's target directory: this program lies in one of its profile folders.
pub(crate) fn target() -> Result<PathBuf> {
    let target = program()?.parent().and_then(Path::parent).context("not run from a target directory")?;
    Ok(target.to_owned())
}

/// Tools of exact versions that only this checkout uses.
pub(crate) fn tools() -> Result<PathBuf> {
    Ok(target()?.join("tools"))
}

/// PATH with the checkout's own tools first.
fn search_path() -> Result<OsString> {
    let tools = tools()?;
    let own = [tools.join("bin"), tools.join("venv/bin")];
    let inherited = env::var_os("PATH").unwrap_or_default();
    let all = own.into_iter().chain(env::split_paths(&inherited));
    env::join_paths(all).context("a folder of PATH has a colon in its name")
}

/// A command that runs in the checkout and finds the checkout's tools.
pub(crate) fn command(program: &str) -> Result<Command> {
    let mut command = Command::new(program);
    command.current_dir(root()).env("PATH", search_path()?);
    Ok(command)
}

/// Runs a command to its end, its output shown.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = describe(command);
    let status = command.status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs a command and returns what it prints; what it complains goes into the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = describe(command);
    let output = command.output().with_context(|| format!("cannot run {shown}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` failed: {}", complaint.trim().lines().last().unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program is on PATH.
pub(crate) fn has(program: &str) -> bool {
    search_path().is_ok_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn describe(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}
