//! `backup`: once, as from cron. Prints restic's JSON with `--json`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::{Context, Failure, folders};
use crate::control::{Answer, BackupReport, Reply, Request};
use crate::exit::Exit;
use crate::output::size;
use crate::report::Activity;

/// How often progress is asked for.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Options of `backup`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder [default: all of them]
    path: Option<PathBuf>,
}

/// Backs up one folder after the other; one that fails keeps no other from it.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let mut worst = Exit::Ok;
    for path in folders::chosen(args.path.as_deref(), context).await? {
        let item = path.display().to_string();
        let ended = tokio::select! {
            ended = back_up(context, path) => ended,
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted),
        };
        worst = worst.max(match ended {
            Err(failure) if args.path.is_none() => {
                context.output.problem(&item, &failure.message);
                failure.exit
            }
            ended => ended?,
        });
    }
    Ok(worst)
}

async fn back_up(context: &Context, path: PathBuf) -> Result<Exit, Failure> {
    let output = context.output;
    let asked = context.ask(Request::BackUp(path.clone()), |reply| {
        if let Reply::Problem { item, message } = reply {
            output.problem(item, message);
        }
    });
    let answer = tokio::select! {
        answer = asked => answer?,
        never = show_progress(context, &path) => never,
    };
    let Answer::Backup(report) = answer else {
        return Err(Failure { exit: Exit::Failed, message: "the agent answered something else".to_owned() });
    };
    output.object(&summary(&report));
    output.line(in_words(&report));
    Ok(if report.unreadable > 0 { Exit::Incomplete } else { Exit::Ok })
}

/// Shows how far the running agent is. Without one, the backup's own process has the bar to itself.
async fn show_progress(context: &Context, path: &PathBuf) -> Answer {
    let bar = context.output.bar();
    loop {
        tokio::time::sleep(PROGRESS_EVERY).await;
        let asked = crate::control::ask(&context.state.socket(), &Request::Status, |_| {}).await;
        let Ok(Some(Reply::Done { answer: Answer::Status(report) })) = asked else { continue };
        let Some(folder) = report.folders.iter().find(|folder| folder.path == *path) else { continue };
        let Activity::BackingUp { files_total, files_done, bytes_total, bytes_done, .. } = folder.activity
        else {
            continue;
        };
        bar.set_length(bytes_total);
        bar.set_position(bytes_done);
        bar.set_message(format!("{files_done}/{files_total} files"));
        let percent_done = share(bytes_done, bytes_total);
        context.output.object(&json!({
            "message_type": "status",
            "percent_done": percent_done,
            "total_files": files_total,
            "files_done": files_done,
            "total_bytes": bytes_total,
            "bytes_done": bytes_done,
        }));
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people and progress bars")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn summary(report: &BackupReport) -> serde_json::Value {
    json!({
        "message_type": "summary",
        "files_new": report.files_new,
        "files_changed": report.files_changed,
        "files_unmodified": report.files_unmodified,
        "data_added": report.data_added,
        "total_files_processed": report.files,
        "total_bytes_processed": report.bytes,
        "total_duration": share(report.duration_ms, 1000),
        "snapshot_id": report.seq.map(|seq| format!("{}@{seq}", report.source)),
    })
}

fn in_words(report: &BackupReport) -> String {
    let path = report.path.display();
    if report.seq.is_none() {
        return format!("{path}: {} files, nothing changed", report.files);
    }
    let BackupReport { files_new, files_changed, files_removed, unreadable, .. } = report;
    let unreadable = if *unreadable > 0 { format!(", {unreadable} not readable") } else { String::new() };
    format!(
        "{path}: {files_new} new, {files_changed} changed, {files_removed} gone{unreadable}; {} sent",
        size(report.data_added)
    )
}
