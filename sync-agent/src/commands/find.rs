//! `find`: entries by their names, in all snapshots or in one.

use std::ffi::OsString;

use client::Found;
use futures_util::stream::TryStreamExt as _;
use serde_json::{Value, json};

use super::select::{Chosen, Folder, SourceArg, Typed, folders, open_vaults};
use super::{Context, Failure, entry};
use crate::exit::Exit;
use crate::text::printable;
use crate::time::date_time;

/// Options of `find`
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  triplicate-agent find '*.jpg'\n  triplicate-agent find --snapshot latest --source home 'Documents/**/*tax*' -i"
)]
pub struct Args {
    /// Globs: of names, or of whole paths if they have a `/`
    #[arg(required = true)]
    pattern: Vec<String>,
    #[command(flatten)]
    source: SourceArg,
    /// Only this snapshot, by its number or as `latest` [default: all]
    #[arg(long, short)]
    snapshot: Option<OsString>,
    /// Capitals and small letters are the same
    #[arg(long, short)]
    ignore_case: bool,
    /// Modes, sizes and times too
    #[arg(long, short)]
    long: bool,
}

/// Finds them, newest snapshots first.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    Ok(find(&args, context).await?)
}

async fn find(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let vaults = open_vaults(context).await?;
    let folders = folders(&vaults, &args.source)?;
    let mut places = match &args.snapshot {
        Some(typed) => vec![Chosen::find(&folders, &Typed::parse(typed)?)?],
        None => folders.iter().flat_map(all_of).collect(),
    };
    places.sort_by_key(|place| std::cmp::Reverse((place.snapshot.created_ms, place.snapshot.seq)));
    let mut objects = Vec::new();
    for place in &places {
        let mut found = Vec::new();
        for pattern in &args.pattern {
            let stream = place.folder.vault.find(place.reference(), pattern, args.ignore_case)?;
            found.extend(stream.try_collect::<Vec<Found>>().await?);
        }
        if found.is_empty() {
            continue;
        }
        objects.push(object(place, &found));
        print(args, context, place, &found);
    }
    context.output.object(&objects);
    Ok(Exit::Ok)
}

fn all_of(folder: &Folder) -> Vec<Chosen> {
    let chosen = |snapshot| Chosen { folder: folder.clone(), snapshot };
    folder.snapshots().into_iter().map(chosen).collect()
}

fn print(args: &Args, context: &Context, place: &Chosen, found: &[Found]) {
    let (seq, time) = (place.snapshot.seq, date_time(place.snapshot.created_ms));
    context.output.line(format!("In snapshot {seq} of {}, {time}:", place.folder.told()));
    for Found { path, entry } in found {
        let path = path.to_bytes();
        let line = if args.long { entry::long_line(&path, entry) } else { printable(&path) };
        context.output.line(line);
    }
}

fn object(place: &Chosen, found: &[Found]) -> Value {
    let matches: Vec<Value> =
        found.iter().map(|found| entry::object("match", &found.path.to_bytes(), &found.entry)).collect();
    json!({
        "matches": matches,
        "hits": found.len(),
        "snapshot": place.snapshot.seq.to_string(),
        "source": place.folder.info.source,
    })
}
