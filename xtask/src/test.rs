//! `test`: every check in order, the cheap ones first, stopping at the first that fails. Each runner writes
//! its own lines.

use std::{fs, path::Path, process::Command, time::Instant};

use anyhow::{Context, Result};
use clap::Args;
use supervise::postgres::Postgres;

use crate::{
    console::say,
    queries, setup, tidy,
    workspace::{command, output, program, root, run as run_command},
};

#[derive(Args, Clone, Copy)]
pub(crate) struct Options {
    /// Try many more cases of each property, and storms, kills and power cuts for hours.
    #[arg(long)]
    long: bool,
}

type Step = (&'static str, fn(Options) -> Result<()>);

const STEPS: [Step; 10] = [
    ("setup", |_| setup::for_testing()),
    ("formatting", |_| cargo("fmt --all --check")),
    ("lints", |_| lints()),
    ("dependencies", |_| dependencies()),
    ("project rules", |_| tidy::run()),
    ("described queries", |_| queries::run(queries::Options { check: true })),
    ("tests on real PostgreSQL", native),
    ("documentation examples", |_| documentation_examples()),
    ("tests in headless Chromium", |_| in_chromium()),
    ("user journeys in Chromium", |_| journeys()),
];

pub(crate) fn run(options: Options) -> Result<()> {
    let all = Instant::now();
    for (name, step) in STEPS {
        say(&format!("\n== {name}"));
        let started = Instant::now();
        step(options).with_context(|| format!("{name} failed"))?;
        say(&format!("== {name}: passed in {:.1} s", started.elapsed().as_secs_f64()));
    }
    say(&format!("\nAll passed in {:.1} s.", all.elapsed().as_secs_f64()));
    Ok(())
}

fn cargo(arguments: &str) -> Result<()> {
    run_command(command("cargo")?.args(arguments.split(' ')))
}

/// The web app compiles for wasm32 alone; natively only its core does.
fn lints() -> Result<()> {
    cargo("clippy --quiet --workspace --all-targets -- --deny warnings")?;
    cargo("clippy --quiet --package frontend --target wasm32-unknown-unknown -- --deny warnings")
}

/// Licences, bans and sources need no network; advisories do, and are skipped when it is not there.
fn dependencies() -> Result<()> {
    cargo("deny --log-level error check bans licenses sources")?;
    if let Err(error) = output(command("cargo")?.args(["deny", "--log-level", "error", "fetch", "db"])) {
        say(&format!("Advisories are skipped, their database cannot be fetched: {error:#}"));
        return Ok(());
    }
    cargo("deny --log-level error check --disable-fetch advisories")
}

fn native(options: Options) -> Result<()> {
    // It also builds the programs that other packages' tests run, because each has tests of its own.
    let postgres = Postgres::temporary()?;
    let mut nextest = command("cargo")?;
    nextest
        .args(["nextest", "run", "--workspace", "--no-fail-fast"])
        .env("TRIPLICATE_TEST_DATABASE_URL", postgres.admin_url());
    if options.long {
        nextest.args(["--profile", "long"]).env("PROPTEST_CASES", "10000").env("TRIPLICATE_TEST_LONG", "1");
    }
    run_command(&mut nextest)
}

/// nextest does not run them.
fn documentation_examples() -> Result<()> {
    let mut packages = Vec::new();
    for package in crates()? {
        if has_examples(&root().join("crates").join(&package).join("src"))? {
            packages.push(package);
        }
    }
    if packages.is_empty() {
        say("There are none.");
        return Ok(());
    }
    let selected = packages.iter().flat_map(|package| ["--package", package]);
    run_command(command("cargo")?.args(["test", "--quiet", "--doc"]).args(selected))
}

/// The test programs that know `wasm_bindgen_test`, built for wasm.
fn in_chromium() -> Result<()> {
    for package in crates()? {
        let names = wasm_tests(&root().join("crates").join(&package).join("tests"))?;
        if names.is_empty() {
            continue;
        }
        let mut tests = command("cargo")?;
        tests.args(["test", "--target", "wasm32-unknown-unknown", "--package", &package]);
        tests.args(names.iter().flat_map(|name| ["--test", name]));
        tests.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", "wasm-bindgen-test-runner");
        run_command(tests.env("CHROMEDRIVER", "/usr/bin/chromedriver"))?;
    }
    Ok(())
}

/// Playwright starts the whole stack itself, through this very program.
fn journeys() -> Result<()> {
    let folder = root().join("e2e");
    if !folder.join("package.json").exists() {
        say("Skipped: e2e/package.json is not there.");
        return Ok(());
    }
    let mut playwright: Command = command("npx")?;
    playwright.args(["playwright", "test"]).current_dir(folder);
    run_command(playwright.env("TRIPLICATE_XTASK", program()?))
}

fn crates() -> Result<Vec<String>> {
    file_names(&root().join("crates"))
}

/// A test program is a file `NAME.rs` or a folder `NAME` with a `main.rs`.
fn wasm_tests(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in if folder.exists() { file_names(folder)? } else { Vec::new() } {
        let path = folder.join(&name);
        let main = if path.is_dir() { path.join("main.rs") } else { path };
        if main.exists() && fs::read_to_string(&main)?.contains("wasm_bindgen_test") {
            names.push(name.trim_end_matches(".rs").to_owned());
        }
    }
    Ok(names)
}

/// Whether a doc comment opens a code block that rustdoc would run.
fn has_examples(folder: &Path) -> Result<bool> {
    for name in file_names(folder)? {
        let path = folder.join(name);
        let found =
            if path.is_dir() { has_examples(&path)? } else { opens_example(&fs::read_to_string(&path)?) };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

fn opens_example(source: &str) -> bool {
    let mut inside = false;
    source.lines().map(str::trim_start).any(|line| {
        let Some(comment) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            return false;
        };
        let Some(language) = comment.trim_start().strip_prefix("```") else { return false };
        inside = !inside;
        inside && matches!(language.trim(), "" | "rust" | "should_panic" | "no_run" | "compile_fail")
    })
}

fn file_names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::opens_example;

    #[test]
    fn only_code_that_rustdoc_runs_counts() {
        assert!(opens_example("/// Adds.\n/// ```\n/// add(1, 2);\n/// ```"));
        assert!(opens_example("    //! ```rust"));
        assert!(!opens_example("//! ```text\n//! a -> b\n//! ```\n"));
        assert!(!opens_example("// ```"));
    }
}
