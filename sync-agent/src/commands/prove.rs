//! `prove`: whether folders can be restored, tried out on a random sample. The running agent does so by itself.

use std::path::PathBuf;

use serde_json::json;

use super::{Context, Failure, folders};
use crate::control::{Answer, ProofReport, Request};
use crate::exit::Exit;
use crate::output::size;

/// Options of `prove`
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Of the newest snapshot, files and places taken by chance are downloaded, 64 MiB at most, and one whole file of up to \
256 MiB. They are decrypted, verified, and compared with the files on the disk that have not changed since. If \
everything is right, the coordinator is told, and status and web app show the date as proven. What cannot be restored \
is read and stored again by the next backup, if it is still on the disk.

A running agent does this once a week for each folder.

Examples:
  triplicate-agent prove
  triplicate-agent prove ~/Documents")]
pub struct Args {
    /// The folder [default: all of them]
    path: Option<PathBuf>,
}

/// Proves one folder after the other; one that fails keeps no other from it.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let mut worst = Exit::Ok;
    for path in folders::chosen(args.path.as_deref(), context).await? {
        let item = path.display().to_string();
        let asked = tokio::select! {
            asked = context.ask(Request::Prove(path), |_| {}) => asked,
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Interrupted),
        };
        match asked {
            Ok(Answer::Proof(report)) => tell(context, &item, report),
            Ok(_) => {
                let message = "the agent answered something else".to_owned();
                return Err(Failure { exit: Exit::Failed, message });
            }
            Err(failure) => {
                context.output.problem(&item, &failure.message);
                worst = worst.max(failure.exit);
            }
        }
    }
    Ok(worst)
}

fn tell(context: &Context, item: &str, report: ProofReport) {
    let ProofReport { files, bytes, compared_bytes } = report;
    context.output.object(&json!({
        "message_type": "summary",
        "path": item,
        "files": files,
        "bytes": bytes,
        "compared_bytes": compared_bytes,
    }));
    let (bytes, compared) = (size(bytes), size(compared_bytes));
    context
        .output
        .line(format!("{item}: restored {files} files, {bytes}; {compared} compared with the disk"));
}
