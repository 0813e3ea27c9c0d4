//! `snapshots`: which there are.

use serde_json::json;

use super::select::{Folder, SourceArg, folders, open_vaults};
use super::{Context, Failure};
use crate::exit::Exit;
use crate::output::size;
use crate::text::{printable, table};
use crate::time::{date_time, rfc3339};
use client::SnapshotInfo;

/// Options of `snapshots`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  triplicate-agent snapshots\n  triplicate-agent snapshots --source photos --latest 5 --json"
)]
pub struct Args {
    #[command(flatten)]
    source: SourceArg,
    /// Only so many of each folder, the newest
    #[arg(long, value_name = "N")]
    latest: Option<usize>,
}

/// Lists them, oldest first.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let vaults = open_vaults(context).await?;
    let mut listed: Vec<(Folder, SnapshotInfo)> = Vec::new();
    for folder in folders(&vaults, &args.source)? {
        let snapshots = folder.snapshots();
        let first = args.latest.map_or(0, |latest| snapshots.len().saturating_sub(latest));
        listed.extend(snapshots.into_iter().skip(first).map(|snapshot| (folder.clone(), snapshot)));
    }
    listed.sort_by_key(|(_, snapshot)| (snapshot.created_ms, snapshot.seq));
    let output = context.output;
    output.object(&listed.iter().map(|(folder, snapshot)| object(folder, snapshot)).collect::<Vec<_>>());
    let heads = ["Snapshot", "Time (UTC)", "Folder", "Device", "Files", "Size", ""];
    let rows: Vec<_> = listed.iter().map(|(folder, snapshot)| row(folder, snapshot)).collect();
    for line in table(&heads, &[0, 4, 5], &rows) {
        output.line(line);
    }
    output.line(format!("{} snapshots", listed.len()));
    Ok(Exit::Ok)
}

/// As restic has it, with what restic has not.
pub(super) fn object(folder: &Folder, snapshot: &SnapshotInfo) -> serde_json::Value {
    json!({
        "id": snapshot.seq.to_string(),
        "short_id": snapshot.seq.to_string(),
        "time": rfc3339(snapshot.created_ms),
        "hostname": folder.host,
        "paths": [folder.path.to_string_lossy()],
        "source": folder.info.source,
        "name": folder.info.name,
        "label": snapshot.label,
        "partial": snapshot.partial,
        "unreadable_files": snapshot.unreadable_files,
        "summary": {
            "total_files_processed": snapshot.files,
            "total_bytes_processed": snapshot.bytes,
        },
    })
}

fn row(folder: &Folder, snapshot: &SnapshotInfo) -> Vec<String> {
    let mut notes = Vec::new();
    if snapshot.partial {
        notes.push("first backup under way".to_owned());
    }
    if snapshot.unreadable_files > 0 {
        notes.push(format!("{} files could not be read", snapshot.unreadable_files));
    }
    notes.extend(snapshot.label.as_ref().map(|label| printable(label.as_bytes())));
    vec![
        snapshot.seq.to_string(),
        date_time(snapshot.created_ms),
        folder.told(),
        printable(folder.host.as_bytes()),
        snapshot.files.to_string(),
        size(snapshot.bytes).to_string(),
        notes.join(", "),
    ]
}
