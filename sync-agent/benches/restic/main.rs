//! The agent beside restic, on the same files, in one run: a first backup, the same again, a hundredth changed, and all
//! of it restored and compared. Prints Markdown tables; asserts nothing but that what comes back is equal.
//!
//! Processor time and what goes over loopback are those of the whole machine: run it where nothing else does. All data
//! lie in `TMPDIR`; files are read from the page cache by all programs alike.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]
#![expect(clippy::cast_precision_loss, reason = "times and lengths are far below 2^52")]

#[path = "../../tests/agent/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the tests")]
mod support;

mod files;
mod measure;
mod opponents;
mod table;

use std::path::PathBuf;

use clap::Parser;
use opponents::Kind;
use table::Table;

/// What is measured of every set of files, in this order.
pub(crate) const STEPS: [&str; 4] = ["first backup", "nothing changed", "1 % changed", "restore"];

#[derive(Parser)]
struct Options {
    /// How often everything is done; medians are shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Only these sets of files.
    #[arg(long, default_value = "abcg")]
    sets: String,
    /// Only these programs.
    #[arg(long, value_delimiter = ',', default_value = "restic,restic-http,r1,r3")]
    programs: Vec<Kind>,
    /// The folder that is set g, such as the source of Linux.
    #[arg(long)]
    tree: Option<PathBuf>,
    /// `cargo bench` gives it; without it, `cargo test` only sees that this builds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    if !options.bench {
        return;
    }
    // The clouds of this machine answer while the main thread waits for a program.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for set in files::sets(options.tree.as_deref()) {
        if !options.sets.contains(set.letter) {
            continue;
        }
        let mut table = Table::default();
        for _ in 0..options.runs {
            runtime.block_on(run(&set, &options.programs, &mut table));
        }
        let title = format!("({}) {}, medians of {}", set.letter, set.name, options.runs);
        table.show(&title, &options.programs);
    }
}

/// Every step by every opponent, before the next step begins.
async fn run(set: &files::Set, programs: &[Kind], table: &mut Table) {
    let folder = testkit::tempdir().unwrap();
    let source = folder.path().join("source");
    set.make(&source);
    let mut opponents = Vec::new();
    for kind in programs {
        opponents.push((kind.name(), kind.prepare(&source).await));
    }
    for step in STEPS {
        if step == STEPS[2] {
            set.change(&source);
        }
        for (name, opponent) in &opponents {
            let (stored, requests) = (opponent.stored(), opponent.requests());
            let mut cost = if step == STEPS[3] {
                // What is restored stays until the end: for seconds after so many files are deleted, ext4 makes new
                // ones at a fraction of its speed.
                let target = folder.path().join(format!("restored by {name}"));
                let cost = opponent.restore(&target);
                files::assert_equal(&source, &opponent.restored(&target, &source));
                cost
            } else {
                opponent.back_up(&source)
            };
            cost.stored = opponent.stored().saturating_sub(stored);
            cost.requests = opponent.requests() - requests;
            table.add(step, name, cost);
        }
    }
}
