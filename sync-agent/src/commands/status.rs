//! `status`: how the agent and its folders are.

use super::{Context, Failure};
use crate::control::{Answer, Request};
use crate::exit::Exit;
use crate::index::Hold;
use crate::output::size;
use crate::platform::now_ms;
use crate::report::{Activity, AgentReport, FolderReport};

/// Options of `status`
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints it.
pub(super) async fn run(_: Args, context: &Context) -> Result<Exit, Failure> {
    let report = report(context).await?;
    context.output.object(&report);
    let state = if report.running { "running" } else { "not running" };
    let online = if report.online { "" } else { ", cannot reach its coordinator" };
    context.output.line(format!("{} at {}: {state}{online}", report.host, report.origin));
    for folder in &report.folders {
        print(context, folder);
    }
    Ok(Exit::Ok)
}

/// Asks for it.
pub(super) async fn report(context: &Context) -> Result<AgentReport, Failure> {
    match context.ask(Request::Status, |_| {}).await? {
        Answer::Status(report) => Ok(*report),
        _ => Err(Failure { exit: Exit::Failed, message: "the agent answered something else".to_owned() }),
    }
}

fn print(context: &Context, folder: &FolderReport) {
    let line = |text: String| context.output.line(text);
    line(format!("{}", folder.path.display()));
    line(format!("  {}", activity(folder)));
    line(format!("  {} files, {}, last backup {}", folder.files, size(folder.bytes), ago(folder.backup_ms)));
    line(format!("  last full scan {}, last proven {}", ago(folder.full_scan_ms), ago(folder.proven_ms)));
    if let Some(why) = &folder.polling {
        line(format!("  scanned from time to time: {why}"));
    }
    if let Some(failure) = &folder.failure {
        line(format!("  {failure}"));
    }
    if !folder.unrestorable.is_empty() {
        line(
            "  could not be restored when that was last tried; what is on this disk is stored again:"
                .to_owned(),
        );
    }
    for problem in &folder.unrestorable {
        line(format!("    {}: {}", problem.path, problem.reason));
    }
    for problem in &folder.problems {
        line(format!("  {}: {}", problem.path, problem.reason));
    }
}

fn activity(folder: &FolderReport) -> String {
    match folder.activity {
        Activity::Idle => "backed up".to_owned(),
        Activity::Waiting => "changes are waiting".to_owned(),
        Activity::Scanning => "being scanned".to_owned(),
        Activity::BackingUp { files_total, files_done, .. } => format!("{files_done} of {files_total} files"),
        Activity::Paused => "paused".to_owned(),
        Activity::Held => folder.hold.as_ref().map(Hold::in_words).unwrap_or_default(),
    }
}

fn ago(at_ms: Option<u64>) -> String {
    let Some(at_ms) = at_ms else { return "never".to_owned() };
    let seconds = now_ms().saturating_sub(at_ms) / 1000;
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}
