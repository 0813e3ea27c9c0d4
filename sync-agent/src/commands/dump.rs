//! `dump`: one file to standard output, or a folder as a zip archive.

use std::ffi::OsString;

use client::TreeNode;
use futures_util::stream::TryStreamExt as _;
use tokio::io::AsyncWriteExt as _;

use super::select::{Chosen, SourceArg, Typed, folders, open_vaults};
use super::{Context, Failure};
use crate::exit::Exit;

/// Options of `dump`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  triplicate-agent dump latest:Documents/letter.txt --source home\n  triplicate-agent dump 12:photos > photos.zip"
)]
pub struct Args {
    /// The snapshot, by its number or as `latest`, and the file; a folder becomes a zip archive
    #[arg(value_name = "SNAPSHOT:PATH")]
    snapshot: OsString,
    #[command(flatten)]
    source: SourceArg,
}

/// Writes it. What is written last is only written if all of it was right.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    tokio::select! {
        exit = dump(&args, context) => Ok(exit?),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn dump(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let vaults = open_vaults(context).await?;
    let typed = Typed::parse(&args.snapshot)?;
    let chosen = Chosen::find(&folders(&vaults, &args.source)?, &typed)?;
    let is_file =
        chosen.entry(&typed.names).await?.is_some_and(|entry| matches!(entry.node, TreeNode::File { .. }));
    let vault = &chosen.folder.vault;
    let mut stream = if is_file {
        vault.open_file(chosen.reference(), &typed.names).await?.stream
    } else {
        vault.open_zip(chosen.reference(), std::slice::from_ref(&typed.names)).await?.stream
    };
    let mut stdout = tokio::io::stdout();
    while let Some(bytes) = stream.try_next().await? {
        stdout.write_all(&bytes).await?;
    }
    stdout.flush().await?;
    Ok(Exit::Ok)
}
