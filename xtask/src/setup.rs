//! Installs what is missing, and only that. Debian packages are the one thing that leaves the checkout.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::{
    console::say,
    tools,
    workspace::{command, has, output, root, run, tools as tools_folder},
};

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A Debian package and how to see that what it brings is there.
struct Package {
    name: &'static str,
    is_present: fn() -> bool,
}

const FOR_RUNNING: [Package; 4] = [
    Package { name: "postgresql", is_present: supervise::postgres::is_installed },
    Package { name: "clang", is_present: || has("clang") },
    Package { name: "nodejs", is_present: || has("node") },
    Package { name: "npm", is_present: || has("npm") },
];

const FOR_TESTING: [Package; 11] = [
    Package { name: "chromium", is_present: || has("chromium") },
    Package { name: "chromium-driver", is_present: || has("chromedriver") },
    Package { name: "dbus-bin", is_present: || has("dbus-send") },
    Package { name: "dbus-daemon", is_present: || has("dbus-daemon") },
    Package { name: "faketime", is_present: || has("faketime") },
    Package { name: "gnome-keyring", is_present: || has("gnome-keyring-daemon") },
    Package { name: "libnss3-tools", is_present: || has("certutil") },
    Package { name: "nftables", is_present: || has("nft") },
    Package { name: "nginx", is_present: || has("nginx") || Path::new("/usr/sbin/nginx").exists() },
    Package { name: "tcpdump", is_present: || has("tcpdump") },
    Package { name: "python3-venv", is_present: has_python_venv },
];

const FOR_COMPARING: [Package; 3] = [
    Package { name: "restic", is_present: || has("restic") },
    Package { name: "rclone", is_present: || has("rclone") },
    Package { name: "time", is_present: || has("time") },
];

/// What `./start` needs.
pub(crate) fn for_running() -> Result<()> {
    packages(&FOR_RUNNING)?;
    wasm_target()?;
    // The web app's npm packages are Trunk's business: a hook in Trunk.toml.
    tools::install_from_crates_io()
}

/// What `./test` needs.
pub(crate) fn for_testing() -> Result<()> {
    for_running()?;
    packages(&FOR_TESTING)?;
    tools::install_from_pypi(&tools::FOR_TESTING)?;
    promtool()?;
    node_modules("e2e")
}

/// What the agent is measured against.
pub(crate) fn for_comparing() -> Result<()> {
    packages(&FOR_COMPARING)
}

fn packages(wanted: &[Package]) -> Result<()> {
    let missing = || wanted.iter().filter(|package| !(package.is_present)()).map(|package| package.name);
    let names: Vec<&str> = missing().collect();
    if names.is_empty() {
        return Ok(());
    }
    let by_hand = format!("missing Debian packages; install them with: apt-get install {}", names.join(" "));
    say(&format!("Installing Debian packages: {}", names.join(" ")));
    // A new machine has no list of packages, or an old one.
    run(apt_get().context(by_hand.clone())?.args(["--quiet", "--quiet", "update"]))
        .context(by_hand.clone())?;
    let mut install = apt_get()?;
    install.args(["install", "--yes", "--no-install-recommends"]).args(&names);
    // dpkg writes several lines for each package, whatever it is asked.
    output(install.env("DEBIAN_FRONTEND", "noninteractive")).context(by_hand.clone())?;
    match missing().next() {
        Some(name) => bail!("package {name} is installed but its programs are not on PATH"),
        None => Ok(()),
    }
}

/// Prometheus' tool that checks metrics and rules, out of Debian's package, which is not installed: that would start a
/// server.
fn promtool() -> Result<()> {
    if has("promtool") {
        return Ok(());
    }
    say("Unpacking promtool from Debian's package prometheus");
    let tools = tools_folder()?;
    let unpacked = tools.join("prometheus");
    let _ = fs::remove_dir_all(&unpacked);
    fs::create_dir_all(&unpacked)?;
    let by_hand = "promtool is missing; it is part of the Debian package prometheus";
    // A new machine has no list of packages, or an old one.
    run(apt_get().context(by_hand)?.args(["--quiet", "--quiet", "update"])).context(by_hand)?;
    output(Command::new("apt-get").args(["--quiet", "download", "prometheus"]).current_dir(&unpacked))
        .context(by_hand)?;
    for entry in fs::read_dir(&unpacked)? {
        let package = entry?.path();
        output(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&unpacked))?;
    }
    fs::create_dir_all(tools.join("bin"))?;
    fs::copy(unpacked.join("usr/bin/promtool"), tools.join("bin/promtool")).context(by_hand)?;
    Ok(fs::remove_dir_all(&unpacked)?)
}

/// As root, or by sudo.
fn apt_get() -> Result<Command> {
    match (has("apt-get"), geteuid().is_root(), has("sudo")) {
        (true, true, _) => Ok(Command::new("apt-get")),
        (true, false, true) => {
            let mut sudo = Command::new("sudo");
            sudo.arg("apt-get");
            Ok(sudo)
        }
        _ => bail!("apt-get is missing, or may not be run"),
    }
}

fn has_python_venv() -> bool {
    Command::new("python3").args(["-c", "import ensurepip"]).output().is_ok_and(|ran| ran.status.success())
}

fn wasm_target() -> Result<()> {
    let library = output(command("rustc")?.args(["--print", "target-libdir", "--target", WASM_TARGET]))?;
    if fs::exists(library.trim())? {
        return Ok(());
    }
    say(&format!("Adding the Rust target {WASM_TARGET}"));
    run(command("rustup")?.args(["target", "add", WASM_TARGET]))
}

/// `npm ci`, unless npm's own record in `node_modules` is newer than the lock file.
fn node_modules(folder: &str) -> Result<()> {
    let folder = root().join(folder);
    let Ok(lock) = fs::metadata(folder.join("package-lock.json")) else { return Ok(()) };
    let installed = fs::metadata(folder.join("node_modules/.package-lock.json"));
    if installed.is_ok_and(|installed| installed.modified().ok() >= lock.modified().ok()) {
        return Ok(());
    }
    say(&format!("Installing the npm packages of {}", folder.display()));
    let mut npm = command("npm")?;
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(folder);
    // Tests use Debian's Chromium.
    run(npm.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))
}
