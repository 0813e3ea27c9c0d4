//! `restore`: a snapshot, or a part of it, into a folder.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use client::SnapshotInfo;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::select::{Chosen, SourceArg, Typed, folders, open_vaults};
use super::{Context, Failure};
use crate::exit::Exit;
use crate::output::{Output, size};
use crate::restore::{Event, Filter, LeftOut, Options, Overwrite, Privileges, Rules, Tally, restore};
use crate::scan::Exclude;
use crate::text::printable;

/// Programs hear of progress this often.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// Options of `restore`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Files are written beside their place and renamed into it, each verified by its hash. Doing it again goes on where it \
ended. Owners are not in a snapshot: everything belongs to who restores it, so set-id bits are left out unless \
--setuid is given.

Examples:
  triplicate-agent restore latest --source home --target /tmp/home
  triplicate-agent restore 12:Documents --target /tmp/documents --include '*.pdf'
  triplicate-agent restore latest --source home --target /home/alice --overwrite if-newer --dry-run -v

Exit codes: 0 all is restored, 1 it failed, 3 some entries could not be restored, 10 not enrolled, 12 not admitted, \
130 interrupted")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub struct Args {
    /// The snapshot, by its number or as `latest`, and what of it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    snapshot: OsString,
    #[command(flatten)]
    source: SourceArg,
    /// Where to; made if it is not there
    #[arg(long, short, value_name = "DIR")]
    target: PathBuf,
    /// Only what matches, as in a .gitignore; may be repeated
    #[arg(long, short, value_name = "GLOB")]
    include: Vec<String>,
    /// Not what matches; may be repeated
    #[arg(long, short, value_name = "GLOB")]
    exclude: Vec<String>,
    /// When something that is there is replaced
    #[arg(long, value_enum, default_value_t)]
    overwrite: Overwrite,
    /// Delete what is in the target and not in the snapshot, but for what no snapshot holds: excluded files, caches,
    /// sockets and devices, other file systems, and Triplicate's own data
    #[arg(long)]
    delete: bool,
    /// Only say what would happen
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Read everything back from the disk, also what was there already
    #[arg(long)]
    verify: bool,
    /// Restore set-user-id, set-group-id and capabilities of files
    #[arg(long)]
    setuid: bool,
    /// Print every entry
    #[arg(long, short)]
    verbose: bool,
}

/// Restores.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    tokio::select! {
        exit = act(&args, context) => Ok(exit?),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn act(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let mut options = options(args)?;
    ensure!(
        !(args.delete && args.include.is_empty() && is_whole_system(&args.target)),
        "--delete with the target / would delete the system; give --include"
    );
    let vaults = open_vaults(context).await?;
    let typed = Typed::parse(&args.snapshot)?;
    let chosen = Chosen::find(&folders(&vaults, &args.source)?, &typed)?;
    if args.delete {
        options.delete = Some(left_out(&chosen, context)?);
    }
    let (what, files, bytes) = chosen.selection(&typed.names).await?;
    let output = context.output;
    let bar = bar(output, bytes);
    let shown = bar.clone();
    let show = Show { output, verbose: args.verbose, dry_run: args.dry_run, bar };
    let listener = Box::new(move |event: &Event, _: &Tally| show.event(event));
    let started = Instant::now();
    let restored = restore(&chosen.folder.vault, &what, &args.target, options, listener);
    let status = async {
        loop {
            tokio::time::sleep(STATUS_EVERY).await;
            let (done, total) = (shown.position(), shown.length().unwrap_or_default());
            output.object(&json!({
                "message_type": "status",
                "seconds_elapsed": started.elapsed().as_secs(),
                "percent_done": share(done, total),
                "total_files": files,
                "total_bytes": total,
                "bytes_restored": done,
            }));
        }
    };
    let tally = tokio::select! {
        tally = restored => tally,
        never = status => never,
    };
    shown.finish_and_clear();
    let tally = tally?;
    summarise(args, output, &tally, started.elapsed());
    Ok(if tally.errors > 0 { Exit::Incomplete } else { Exit::Ok })
}

/// Also under another name.
fn is_whole_system(target: &Path) -> bool {
    let place = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino())).ok();
    place(target).is_some_and(|target| Some(target) == place(Path::new("/")))
}

/// What is missing in the snapshot although it may be in the folder.
fn left_out(chosen: &Chosen, context: &Context) -> anyhow::Result<LeftOut> {
    ensure_whole(&chosen.snapshot)?;
    let settings = chosen.folder.vault.settings();
    let source = settings.sources.iter().find(|listed| listed.source == chosen.folder.info.source);
    source.context("--delete is not possible: what a removed folder left out is not known")?;
    let history = chosen.folder.vault.settings_history(chosen.folder.info.source);
    let exclude = |settings: client::Source| {
        let exclude = Exclude::parse(&settings.exclude)?;
        Ok(exclude.with_limits(settings.larger_than, settings.one_file_system))
    };
    let excludes = history.into_iter().map(exclude).collect::<anyhow::Result<_>>()?;
    Ok(LeftOut { excludes, own: context.own_folders() })
}

/// What a snapshot lacks by accident would be deleted.
fn ensure_whole(snapshot: &SnapshotInfo) -> anyhow::Result<()> {
    let SnapshotInfo { seq, unreadable_files, .. } = snapshot;
    ensure!(
        !snapshot.partial,
        "--delete needs a complete snapshot: {seq} was made while the first backup was under way"
    );
    ensure!(
        *unreadable_files == 0,
        "--delete needs a complete snapshot: {unreadable_files} entries could not be read when {seq} was made"
    );
    Ok(())
}

/// To a thousandth.
fn share(done: u64, total: u64) -> f64 {
    let thousandths = (done.saturating_mul(1000)).checked_div(total).unwrap_or_default();
    f64::from(u32::try_from(thousandths).unwrap_or(1000)) / 1000.0
}

fn options(args: &Args) -> anyhow::Result<Options> {
    Ok(Options {
        rules: Rules { overwrite: args.overwrite, verify: args.verify },
        filter: Filter::new(&args.include, &args.exclude)?,
        privileges: Privileges { set_id: args.setuid },
        delete: None,
        dry_run: args.dry_run,
    })
}

fn bar(output: Output, bytes: u64) -> ProgressBar {
    let bar = output.bar();
    let style = "{spinner} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
    bar.set_style(ProgressStyle::with_template(style).expect("the template's fields exist"));
    bar.set_length(bytes);
    bar
}

/// Shows what happens.
struct Show {
    output: Output,
    verbose: bool,
    dry_run: bool,
    bar: ProgressBar,
}

impl Show {
    fn event(&self, event: &Event) {
        let (action, path, bytes) = match event {
            Event::Restored(path, bytes) => ("restored", path, *bytes),
            Event::Updated(path, bytes) => ("updated", path, *bytes),
            Event::Unchanged(path, bytes) => ("unchanged", path, *bytes),
            Event::Deleted(path) => ("deleted", path, 0),
            Event::Filtered(bytes) => {
                return self.bar.set_length(self.bar.length().unwrap_or_default().saturating_sub(*bytes));
            }
            Event::Note(path, reason) | Event::Failed(path, reason) => {
                let path = printable(&path.to_bytes());
                let is_error = matches!(event, Event::Failed(..));
                return self.bar.suspend(|| self.complain(is_error, &path, reason));
            }
        };
        self.bar.inc(bytes);
        if !self.verbose && !self.dry_run || self.output.quiet {
            return;
        }
        let path = printable(&path.to_bytes());
        self.bar.suspend(|| {
            self.output.line(format!("{action:<10} {path}"));
            self.output.object(&json!({
                "message_type": "verbose_status", "action": action, "item": path, "size": bytes,
            }));
        });
    }

    fn complain(&self, is_error: bool, path: &str, reason: &str) {
        if is_error {
            self.output.problem_during("restore", path, &format!("{path}: {reason}"));
        } else if !self.output.quiet {
            self.output.note(path, &format!("note: {path}: {reason}"));
        }
    }
}

fn summarise(args: &Args, output: Output, tally: &Tally, took: Duration) {
    let mut object = json!(tally);
    object["message_type"] = "summary".into();
    object["dry_run"] = args.dry_run.into();
    object["seconds_elapsed"] = took.as_secs().into();
    object["total_files"] = (tally.files_restored + tally.files_skipped).into();
    object["total_bytes"] = (tally.bytes_restored + tally.bytes_skipped).into();
    output.object(&object);
    if output.quiet {
        return;
    }
    let Tally { files_restored, bytes_restored, files_skipped, files_deleted, notes, errors, .. } = tally;
    let would = if args.dry_run { "Would restore" } else { "Restored" };
    let mut text = format!(
        "{would} {files_restored} files ({}) to {} in {:.1} s, {files_skipped} were there",
        size(*bytes_restored),
        args.target.display(),
        took.as_secs_f64(),
    );
    for (count, what) in
        [(files_deleted, "deleted"), (notes, "attributes not set"), (errors, "could not be restored")]
    {
        if *count > 0 {
            write!(text, ", {count} {what}").expect("a string takes text");
        }
    }
    output.line(text);
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn delete_needs_a_complete_snapshot() {
        let whole = SnapshotInfo {
            seq: 7,
            created_ms: 0,
            files: 0,
            bytes: 0,
            unreadable_files: 0,
            partial: false,
            label: None,
            device: None,
        };
        ensure_whole(&whole).unwrap();
        let error = ensure_whole(&SnapshotInfo { partial: true, ..whole.clone() }).unwrap_err();
        assert!(error.to_string().contains("while the first backup was under way"), "{error}");
        let error = ensure_whole(&SnapshotInfo { unreadable_files: 2, ..whole }).unwrap_err();
        assert!(error.to_string().contains("2 entries could not be read when 7 was made"), "{error}");
    }
}
