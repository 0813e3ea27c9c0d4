//! `folders`: which folders are backed up, and how.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::{Context, Failure, absolute, status};
use crate::control::{Answer, Request};
use crate::exit::Exit;
use crate::output::size;
use crate::scan::parse_size;

/// Options of `folders`
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List them
    List,
    /// Back a folder up from now on
    Add {
        /// The folder
        path: PathBuf,
        /// What to call it [default: its path]
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        rules: Rules,
    },
    /// No longer back a folder up; its snapshots stay
    Remove {
        /// The folder
        path: PathBuf,
    },
    /// Make no snapshots of a folder for now
    Pause {
        /// The folder
        path: PathBuf,
    },
    /// Make snapshots of a folder again
    Resume {
        /// The folder
        path: PathBuf,
    },
    /// Say that what vanished from a folder may vanish from its next snapshot
    Confirm {
        /// The folder
        path: PathBuf,
    },
    /// Show what a backup would take and leave
    DryRun {
        /// The folder
        path: PathBuf,
        /// Patterns, instead of those that the folder has
        #[arg(long, short)]
        exclude: Option<Vec<String>>,
    },
}

#[derive(Debug, clap::Args)]
struct Rules {
    /// A pattern to leave out, as in a .gitignore; may be repeated
    #[arg(long, short)]
    exclude: Vec<String>,
    /// A file of patterns, one a line; may be repeated
    #[arg(long)]
    exclude_file: Vec<PathBuf>,
    /// Leave out files larger than this, like 100M or 4GiB
    #[arg(long, value_parser = |text: &str| parse_size(text).ok_or("not a size"))]
    exclude_larger_than: Option<u64>,
    /// Leave out other file systems
    #[arg(long, short = 'x')]
    one_file_system: bool,
}

/// Does it.
pub(super) async fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let request = match args.verb {
        Verb::List => return list(context).await,
        Verb::DryRun { path, exclude } => return dry_run(context, &path, exclude).await,
        Verb::Add { path, name, rules } => Request::AddFolder {
            path: absolute(&path)?,
            name,
            exclude: patterns(rules.exclude, &rules.exclude_file)?,
            larger_than: rules.exclude_larger_than,
            one_file_system: rules.one_file_system,
        },
        Verb::Remove { path } => Request::RemoveFolder(absolute(&path)?),
        Verb::Pause { path } => Request::PauseFolder(absolute(&path)?),
        Verb::Resume { path } => Request::ResumeFolder(absolute(&path)?),
        Verb::Confirm { path } => Request::ConfirmFolder(absolute(&path)?),
    };
    context.ask(request, |_| {}).await?;
    Ok(Exit::Ok)
}

/// The folder that was named, or all of them; there is at least one.
///
/// # Errors
/// If there is none, or the agent does not say.
pub(super) async fn chosen(path: Option<&Path>, context: &Context) -> Result<Vec<PathBuf>, Failure> {
    if let Some(path) = path {
        return Ok(vec![absolute(path)?]);
    }
    let folders = status::report(context).await?.folders;
    if folders.is_empty() {
        let message = "no folder is backed up yet: add one with `triplicate-agent folders add`".to_owned();
        return Err(Failure { exit: Exit::Failed, message });
    }
    Ok(folders.into_iter().map(|folder| folder.path).collect())
}

fn patterns(mut patterns: Vec<String>, files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    use anyhow::Context as _;
    for file in files {
        let text = std::fs::read_to_string(file);
        let text = text.with_context(|| format!("{} cannot be read", file.display()))?;
        patterns.extend(text.lines().map(str::to_owned));
    }
    Ok(patterns)
}

async fn list(context: &Context) -> Result<Exit, Failure> {
    for folder in status::report(context).await?.folders {
        context.output.object(&folder);
        context.output.line(folder.path.display());
    }
    Ok(Exit::Ok)
}

async fn dry_run(context: &Context, path: &Path, exclude: Option<Vec<String>>) -> Result<Exit, Failure> {
    let answer = context.ask(Request::DryRun { path: absolute(path)?, exclude }, |_| {}).await?;
    let Answer::DryRun(dry_run) = answer else {
        return Err(Failure { exit: Exit::Failed, message: "the agent answered something else".to_owned() });
    };
    context.output.object(&dry_run);
    let line = |text: String| context.output.line(text);
    line(format!("{} files, {}", dry_run.files, size(dry_run.bytes)));
    for (pattern, matched) in &dry_run.excluded {
        line(format!("{pattern}: leaves out {} files, {}", matched.files, size(matched.bytes)));
        for example in &matched.examples {
            line(format!("  {} {}", example.path, size(example.bytes)));
        }
    }
    for note in &dry_run.notes {
        line(note.clone());
    }
    Ok(Exit::Ok)
}
