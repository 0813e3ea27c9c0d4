//! `diff`: what differs between two snapshots.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use anyhow::ensure;
use client::{Difference, DifferenceTotals, TreeEntry, TreeNode};
use futures_util::stream::TryStreamExt as _;
use serde_json::json;

use super::select::{Chosen, SourceArg, Typed, folders, names, open_vaults};
use super::{Context, Failure};
use crate::exit::Exit;
use crate::output::size;
use crate::text::printable;

/// Options of `diff`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Marks:\n  + added   - removed   M content changed   U mode, time or attributes changed\n  T became something else   R moved\n\nExamples:\n  triplicate-agent diff 12 latest --source home\n  triplicate-agent diff 12 15 Documents"
)]
pub struct Args {
    /// The older snapshot, by its number or as `latest`
    from: OsString,
    /// The newer one
    to: OsString,
    /// Only what is at or beneath this path
    path: Option<OsString>,
    #[command(flatten)]
    source: SourceArg,
}

/// Compares them.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    Ok(compare(&args, context).await?)
}

async fn compare(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let vaults = open_vaults(context).await?;
    let folders = folders(&vaults, &args.source)?;
    let from = Chosen::find(&folders, &Typed::parse(&args.from)?)?;
    let to = Chosen::find(&folders, &Typed::parse(&args.to)?)?;
    ensure!(
        from.folder.vault.sources().iter().any(|source| source.source == to.folder.info.source),
        "the two snapshots are in different vaults"
    );
    let within = args.path.as_ref().map(|path| names(path.as_bytes())).unwrap_or_default();
    let mut totals = DifferenceTotals::default();
    let mut differences = from.folder.vault.compare(from.reference(), to.reference())?;
    while let Some(difference) = differences.try_next().await? {
        if !concerns(&difference, &within) {
            continue;
        }
        totals.add(&difference);
        let (mark, path, before) = told(&difference);
        let shown = match &before {
            Some(before) => format!("{} -> {}", printable(before), printable(&path)),
            None => printable(&path),
        };
        context.output.line(format!("{mark}    {shown}"));
        context.output.object(&json!({
            "message_type": "change",
            "modifier": mark.to_string(),
            "path": String::from_utf8_lossy(&path),
            "from": before.map(|before| String::from_utf8_lossy(&before).into_owned()),
        }));
    }
    print(context, &from, &to, &totals);
    Ok(Exit::Ok)
}

/// Whether it is at, beneath or above the path.
fn concerns(difference: &Difference, within: &[Vec<u8>]) -> bool {
    let near = |path: &client::Path| {
        let both = path.names().iter().zip(within);
        both.into_iter().all(|(name, wanted)| name.as_bytes() == *wanted)
    };
    match difference {
        Difference::Added { path, .. } | Difference::Removed { path, .. } => near(path),
        // What is beneath a changed folder is told by itself.
        Difference::Changed { path, .. } => near(path) && path.names().len() >= within.len(),
        Difference::Moved { from, to, .. } => near(from) || near(to),
    }
}

/// The mark, the path, and the path that it had before.
fn told(difference: &Difference) -> (char, Vec<u8>, Option<Vec<u8>>) {
    match difference {
        Difference::Added { path, entry } => ('+', shown(path, entry), None),
        Difference::Removed { path, entry } => ('-', shown(path, entry), None),
        Difference::Changed { path, before, after, content } => {
            let same_kind = std::mem::discriminant(&before.node) == std::mem::discriminant(&after.node);
            let mark = match (same_kind, content) {
                (false, _) => 'T',
                (true, true) => 'M',
                (true, false) => 'U',
            };
            (mark, shown(path, after), None)
        }
        Difference::Moved { from, to, entry } => ('R', shown(to, entry), Some(shown(from, entry))),
    }
}

/// With a `/` at the end of a folder.
fn shown(path: &client::Path, entry: &TreeEntry) -> Vec<u8> {
    let mut bytes = vec![b'/'];
    bytes.extend(path.to_bytes());
    if matches!(entry.node, TreeNode::Directory { .. }) {
        bytes.push(b'/');
    }
    bytes
}

fn print(context: &Context, from: &Chosen, to: &Chosen, totals: &DifferenceTotals) {
    let DifferenceTotals { added, removed, changed, metadata_changed, moved } = totals;
    context.output.object(&json!({
        "message_type": "statistics",
        "source_snapshot": from.snapshot.seq.to_string(),
        "target_snapshot": to.snapshot.seq.to_string(),
        "changed_files": changed.files,
        "metadata_changed": metadata_changed,
        "added": { "files": added.files, "bytes": added.bytes },
        "removed": { "files": removed.files, "bytes": removed.bytes },
        "moved": { "files": moved.files, "bytes": moved.bytes },
    }));
    let line = |text: String| context.output.line(text);
    line(String::new());
    line(format!(
        "Files:  {} new, {} removed, {} changed, {} moved",
        added.files, removed.files, changed.files, moved.files
    ));
    line(format!("Other:  {metadata_changed} with another mode, time or attribute"));
    line(format!("Added:  {}", size(added.bytes + changed.bytes)));
    line(format!("Removed: {}", size(removed.bytes)));
}
