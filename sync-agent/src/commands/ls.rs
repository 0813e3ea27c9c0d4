//! `ls`: what is in a snapshot.

use std::ffi::OsString;
use std::vec;

use client::{TreeEntry, TreeNode};

use super::select::{Chosen, SourceArg, Typed, folders, open_vaults};
use super::{Context, Failure, entry, snapshots};
use crate::exit::Exit;
use crate::text::printable;

/// Options of `ls`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  triplicate-agent ls latest --source photos\n  triplicate-agent ls -l 12:2024 --depth 1"
)]
pub struct Args {
    /// The snapshot, by its number or as `latest`, and what of it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    snapshot: OsString,
    #[command(flatten)]
    source: SourceArg,
    /// Modes, sizes and times too
    #[arg(long, short)]
    long: bool,
    /// Only so many levels
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
}

/// Lists a folder with all beneath it.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    Ok(list(&args, context).await?)
}

async fn list(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let vaults = open_vaults(context).await?;
    let typed = Typed::parse(&args.snapshot)?;
    let chosen = Chosen::find(&folders(&vaults, &args.source)?, &typed)?;
    let mut head = snapshots::object(&chosen.folder, &chosen.snapshot);
    head["message_type"] = "snapshot".into();
    context.output.object(&head);
    let print = |path: &[u8], entry: &TreeEntry| {
        context.output.object(&entry::object("node", path, entry));
        let line = if args.long { entry::long_line(path, entry) } else { printable(path) };
        context.output.line(line);
    };
    let depth = args.depth.unwrap_or(usize::MAX);
    match chosen.entry(&typed.names).await? {
        Some(entry) if !matches!(entry.node, TreeNode::Directory { .. }) => {
            print(&typed.names.join(&b'/'), &entry);
        }
        _ => walk(&chosen, typed.names, depth, print).await?,
    }
    Ok(Exit::Ok)
}

/// Everything beneath a folder, each folder before what is in it.
async fn walk(
    chosen: &Chosen,
    mut names: Vec<Vec<u8>>,
    depth: usize,
    mut visit: impl FnMut(&[u8], &TreeEntry),
) -> Result<(), client::Error> {
    let vault = &chosen.folder.vault;
    let mut levels: Vec<vec::IntoIter<TreeEntry>> =
        vec![vault.tree_entries(chosen.reference(), &names).await?.into_iter()];
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.next() else {
            levels.pop();
            names.pop();
            continue;
        };
        names.push(entry.name.clone());
        visit(&names.join(&b'/'), &entry);
        if matches!(entry.node, TreeNode::Directory { .. }) && levels.len() < depth {
            levels.push(vault.tree_entries(chosen.reference(), &names).await?.into_iter());
        } else {
            names.pop();
        }
    }
    Ok(())
}
