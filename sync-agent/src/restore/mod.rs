//! Restores a snapshot, or a part of it, into a folder.
//!
//! [`plan`] decides from what is there, [`Filter`] what is wanted; files are written beside their place and renamed
//! into it, each verified by its hash, and directories get their times last. A restore that ended early is resumed by
//! doing it again: what is right already is kept, also of a large file that was not complete.

mod attributes;
mod batch;
mod delete;
mod directory;
mod file;
mod filter;
mod left_over;
mod plan;
mod report;
mod sink;
mod writer;

use std::cell::RefCell;
use std::fs::DirBuilder;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use client::{SnapshotRef, Vault};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

pub use attributes::Privileges;
pub use delete::LeftOut;
pub use filter::Filter;
pub use plan::{Kind, Look, Overwrite, Plan, Rules};
pub use report::{Event, Listener, Tally};

use batch::Batch;
use delete::Deletion;
use directory::Directory;
use report::Report;
use sink::{Sink, WRITING_MIB};

/// What is restored.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Of which snapshot.
    pub snapshot: SnapshotRef,
    /// Which entry; the root stands for everything.
    pub path: client::Path,
    /// Whether that is a directory. Then what is in it goes into the target, else itself.
    pub is_directory: bool,
}

/// How it is restored.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What becomes of what is there.
    pub rules: Rules,
    /// What is wanted.
    pub filter: Filter,
    /// What is restored of modes and attributes.
    pub privileges: Privileges,
    /// Deletes what is not in the snapshot, but for what that leaves out. The snapshot must be whole.
    pub delete: Option<LeftOut>,
    /// Tells what would happen, and touches nothing.
    pub dry_run: bool,
}

/// The restore ended early. Doing it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The target cannot be used.
    #[error("{} cannot be used", path.display())]
    Target {
        /// The target.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The snapshot cannot be read.
    #[error(transparent)]
    Client(#[from] client::Error),
}

/// Restores into a folder, which is made if it is not there. Errors of single entries are told to `listener`, and stop
/// nothing.
///
/// # Errors
/// [`RestoreError`] after which nothing more can be restored.
pub async fn restore(
    vault: &Vault,
    what: &Selection,
    target: &std::path::Path,
    options: Options,
    listener: Listener,
) -> Result<Tally, RestoreError> {
    let cannot = |source| RestoreError::Target { path: target.to_owned(), source };
    let root = open_target(target, options.dry_run).map_err(cannot)?;
    let options = Arc::new(options);
    let report = Arc::new(Report::new(listener));
    let deletion = match (&root, &options.delete) {
        (Some(root), Some(left_out)) => {
            let above = what.path.names().len().saturating_sub(usize::from(!what.is_directory));
            let base = &what.path.names()[..above];
            Some(Arc::new(Deletion::new(root, &options, &report, left_out, base).map_err(cannot)?))
        }
        _ => None,
    };
    let writing = Arc::new(Semaphore::new(WRITING_MIB as usize));
    let batch = Arc::new(Batch::default());
    let sink = Rc::new(Sink {
        root,
        deletion: deletion.clone(),
        strip: usize::from(what.is_directory && !what.path.is_root()),
        options: options.clone(),
        report: report.clone(),
        writing: writing.clone(),
        batch: batch.clone(),
        levels: RefCell::default(),
        looked: RefCell::default(),
    });
    let names: Vec<&[u8]> = what.path.names().iter().map(backup::Name::as_bytes).collect();
    let restored = vault.restore(what.snapshot, &names, sink).await;
    // The files that are still being finished.
    let _all = writing.acquire_many(WRITING_MIB).await.expect("never closed");
    spawn_blocking(move || batch.finish()).await.expect("syncing does not panic");
    restored?;
    if let Some(deletion) = deletion.filter(|_| what.is_directory) {
        deletion.run(vault, what.snapshot).await?;
    }
    Ok(report.tally())
}

fn open_target(target: &std::path::Path, dry_run: bool) -> io::Result<Option<Arc<Directory>>> {
    if !dry_run {
        DirBuilder::new().recursive(true).create(target)?;
    }
    match Directory::root(target) {
        Err(error) if dry_run && error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}
