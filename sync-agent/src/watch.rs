//! Which paths may have changed, as the system tells. Only hints: the scan decides. Nothing else knows `notify`.
//!
//! There is no debouncer between: [`crate::engine`] waits for quiet itself, in a state machine that runs on any clock,
//! and a set of paths needs neither the pairing of renames nor the queue of every event that one would keep.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode};
use notify::{Config, ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use protocol::id::SourceId;
use tokio::sync::Notify;

use crate::scan::TreePath;

/// Paths of one folder that are remembered one by one; beyond, all of the folder is looked at.
pub const PATHS_MAX: usize = 10_000;

/// Which part of a folder may have changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// These paths, with what is beneath them.
    Paths(BTreeSet<TreePath>),
    /// Events were lost, or there are too many to tell them apart.
    Everything,
    /// The system watches no more folders: only scans will find changes.
    LimitReached,
}

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system's limit on watches or on watchers.
    #[error("the system watches no more folders; raise fs.inotify.max_user_watches or max_user_instances")]
    LimitReached,
    /// Anything else.
    #[error("{} cannot be watched", path.display())]
    Other {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: notify::Error,
    },
}

/// What was heard and not yet taken, by folder. Bounded, however many events come.
#[derive(Default)]
pub struct Hints {
    folders: Mutex<BTreeMap<SourceId, (PathBuf, Option<Hint>)>>,
    arrived: Notify,
}

impl Hints {
    /// Waits until there is something to take.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes what was heard.
    pub fn take(&self) -> Vec<(SourceId, Hint)> {
        let mut folders = self.lock();
        folders.iter_mut().filter_map(|(source, (_, hint))| Some((*source, hint.take()?))).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<SourceId, (PathBuf, Option<Hint>)>> {
        self.folders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, event: notify::Result<notify::Event>) {
        let event = match event {
            Ok(event) if event.need_rescan() => return self.for_all(&Hint::Everything),
            Ok(event) => event,
            Err(error) if is_limit(&error) => return self.for_all(&Hint::LimitReached),
            Err(error) => {
                tracing::warn!(%error, "a lost event; everything is looked at");
                return self.for_all(&Hint::Everything);
            }
        };
        // Backing up opens files itself.
        let is_reading =
            matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
        if is_reading {
            return;
        }
        let mut folders = self.lock();
        for (folder, hint) in folders.values_mut() {
            for path in &event.paths {
                let Some(path) = path.strip_prefix(&*folder).ok().and_then(TreePath::from_relative) else {
                    continue;
                };
                add(hint, path);
            }
        }
        drop(folders);
        self.arrived.notify_one();
    }

    fn for_all(&self, new: &Hint) {
        for (_, hint) in self.lock().values_mut() {
            if *hint != Some(Hint::LimitReached) {
                *hint = Some(new.clone());
            }
        }
        self.arrived.notify_one();
    }
}

fn add(hint: &mut Option<Hint>, path: TreePath) {
    match hint {
        Some(Hint::Everything | Hint::LimitReached) => {}
        Some(Hint::Paths(paths)) if paths.len() < PATHS_MAX => drop(paths.insert(path)),
        Some(Hint::Paths(paths)) if paths.contains(&path) => {}
        Some(Hint::Paths(_)) => *hint = Some(Hint::Everything),
        None => *hint = Some(Hint::Paths(BTreeSet::from([path]))),
    }
}

fn is_limit(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        // EMFILE: no more watchers.
        ErrorKind::Io(error) => error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()),
        _ => false,
    }
}

/// Whether an error tells of the folder that it names, and of no other.
fn is_of_one_folder(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
        }
        _ => false,
    }
}

/// Watches folders, and tells [`Hints`].
pub struct Watcher {
    inner: RecommendedWatcher,
    hints: Arc<Hints>,
}

impl Watcher {
    /// A watcher without folders.
    ///
    /// # Errors
    /// If the system gives no more watchers.
    pub fn new(hints: Arc<Hints>) -> Result<Self, WatchError> {
        let heard = hints.clone();
        let config = Config::default().with_follow_symlinks(false);
        let inner = RecommendedWatcher::new(move |event| heard.hear(event), config)
            .map_err(|error| watch_error(Path::new(""), error))?;
        Ok(Self { inner, hints })
    }

    /// Watches a folder with all that is beneath it, now and later.
    ///
    /// # Errors
    /// Then it is not watched.
    pub fn watch(&mut self, source: SourceId, folder: &Path) -> Result<(), WatchError> {
        self.hints.lock().entry(source).or_insert_with(|| (folder.to_owned(), None));
        self.watch_all(folder).map_err(|error| {
            self.unwatch(source);
            watch_error(folder, error)
        })
    }

    /// Watches a folder again that is watched already: its watches may lie on what was renamed or replaced since. What
    /// happens meanwhile is not heard.
    ///
    /// # Errors
    /// Then it is no longer watched.
    pub fn renew(&mut self, source: SourceId, folder: &Path) -> Result<(), WatchError> {
        // An error says that it was not watched.
        let _ = self.inner.unwatch(folder);
        self.watch(source, folder)
    }

    /// One folder in it that is gone, or that may not be read, ends the system's own walk; the others are watched one
    /// by one then.
    fn watch_all(&mut self, folder: &Path) -> notify::Result<()> {
        match self.inner.watch(folder, RecursiveMode::Recursive) {
            Err(error) if is_of_one_folder(&error) && error.paths.iter().all(|path| path != folder) => {
                for entry in std::fs::read_dir(folder).map_err(notify::Error::io)?.flatten() {
                    if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                        continue;
                    }
                    match self.watch_all(&entry.path()) {
                        Err(error) if !is_of_one_folder(&error) => return Err(error),
                        // The scan notes what cannot be read.
                        _ => {}
                    }
                }
                Ok(())
            }
            watched => watched,
        }
    }

    /// No longer watches a folder.
    pub fn unwatch(&mut self, source: SourceId) {
        // The lock is given up first: who unwatches waits for the thread that hears, and that may wait for the lock.
        let removed = self.hints.lock().remove(&source);
        if let Some((folder, _)) = removed {
            // An error says that it was not watched.
            let _ = self.inner.unwatch(&folder);
        }
    }
}

fn watch_error(path: &Path, source: notify::Error) -> WatchError {
    if is_limit(&source) {
        WatchError::LimitReached
    } else {
        WatchError::Other { path: path.to_owned(), source }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Duration;

    use notify::event::{CreateKind, Flag};

    use super::*;

    #[test]
    fn a_folder_is_unwatched_while_events_come() {
        let folder = tempfile::tempdir().unwrap();
        let mut watcher = Watcher::new(Arc::default()).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::fs::write(folder.path().join("a"), b"x").unwrap();
                }
            });
            for _ in 0..200 {
                watcher.watch(source(1), folder.path()).unwrap();
                watcher.unwatch(source(1));
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    fn source(byte: u8) -> SourceId {
        SourceId::from_bytes([byte; 16]).unwrap()
    }

    fn hints() -> Hints {
        let hints = Hints::default();
        hints.lock().insert(source(1), ("/a".into(), None));
        hints.lock().insert(source(2), ("/a/b".into(), None));
        hints
    }

    fn created(path: &str) -> notify::Event {
        notify::Event::new(EventKind::Create(CreateKind::Any)).add_path(path.into())
    }

    fn paths(paths: &[&str]) -> Hint {
        Hint::Paths(paths.iter().map(|path| TreePath::from_relative(path.as_ref()).unwrap()).collect())
    }

    #[test]
    fn a_change_is_told_to_every_folder_that_it_lies_in() {
        let hints = hints();
        hints.hear(Ok(created("/a/x")));
        hints.hear(Ok(created("/a/b/y")));
        hints.hear(Ok(created("/elsewhere")));
        assert_eq!(hints.take(), [(source(1), paths(&["b/y", "x"])), (source(2), paths(&["y"]))]);
        assert_eq!(hints.take(), []);
    }

    #[test]
    fn reading_a_file_is_no_change() {
        let hints = hints();
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        hints.hear(Ok(notify::Event::new(open).add_path("/a/x".into())));
        assert_eq!(hints.take(), []);
    }

    #[test]
    fn lost_events_mean_that_everything_may_have_changed() {
        let hints = hints();
        hints.hear(Ok(created("/a/x")));
        hints.hear(Ok(notify::Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert_eq!(hints.take(), [(source(1), Hint::Everything), (source(2), Hint::Everything)]);
    }

    #[test]
    fn too_many_paths_become_everything_and_memory_stays_bounded() {
        let hints = hints();
        for number in 0..=PATHS_MAX {
            hints.hear(Ok(created(&format!("/a/{number}"))));
        }
        assert_eq!(hints.take(), [(source(1), Hint::Everything)]);
    }

    #[test]
    fn the_limit_of_watches_is_told_and_later_events_do_not_hide_it() {
        let hints = hints();
        hints.hear(Err(notify::Error::new(ErrorKind::MaxFilesWatch)));
        hints.hear(Ok(created("/a/x")));
        assert_eq!(hints.take(), [(source(1), Hint::LimitReached), (source(2), Hint::LimitReached)]);
    }

    #[test]
    fn a_subfolder_that_cannot_be_read_is_an_error_of_its_own() {
        let error = |kind: io::ErrorKind| notify::Error::io(kind.into()).add_path("/a/b".into());
        assert!(is_of_one_folder(&error(io::ErrorKind::PermissionDenied)));
        assert!(is_of_one_folder(&notify::Error::path_not_found()));
        assert!(!is_of_one_folder(&notify::Error::new(ErrorKind::MaxFilesWatch)));
        assert!(!is_of_one_folder(&error(io::ErrorKind::OutOfMemory)));
    }

    /// The system's own events, in their own time.
    #[tokio::test]
    async fn a_folder_that_was_replaced_is_heard_again_once_its_watch_is_renewed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("disk");
        std::fs::create_dir(&folder).unwrap();
        let hints = Arc::new(Hints::default());
        let mut watcher = Watcher::new(hints.clone()).unwrap();
        watcher.watch(source(1), &folder).unwrap();
        std::fs::rename(&folder, place.path().join("old")).unwrap();
        std::fs::create_dir(&folder).unwrap();
        watcher.renew(source(1), &folder).unwrap();
        hints.take();
        std::fs::write(folder.join("file"), b"x").unwrap();
        let file = TreePath::from_relative("file".as_ref()).unwrap();
        loop {
            hints.arrived().await;
            let heard = hints.take();
            if heard.iter().any(|(_, hint)| matches!(hint, Hint::Paths(paths) if paths.contains(&file))) {
                break;
            }
        }
    }

    /// Makes a change, again and again, until exactly this path was heard. A new folder is told a moment before it is
    /// watched itself; what happens in it in between, the scan of what was told finds.
    async fn until_heard(hints: &Hints, path: &str, change: impl Fn()) {
        let path = TreePath::from_relative(path.as_ref()).unwrap();
        loop {
            change();
            // Whether something came or the time was over, what was heard decides.
            let _ = tokio::time::timeout(Duration::from_millis(100), hints.arrived()).await;
            for (_, hint) in hints.take() {
                match hint {
                    Hint::Paths(paths) if paths.contains(&path) => return,
                    Hint::Paths(_) | Hint::Everything => {}
                    Hint::LimitReached => panic!("the system's limit of watches is too low for this test"),
                }
            }
        }
    }

    /// The system's own events, in their own time.
    #[tokio::test]
    async fn new_folders_and_renames_are_heard_wherever_they_lie() {
        let folder = tempfile::tempdir().unwrap();
        let hints = Arc::new(Hints::default());
        let mut watcher = Watcher::new(hints.clone()).unwrap();
        watcher.watch(source(1), folder.path()).unwrap();
        let write = |path: &str| {
            let path = folder.path().join(path);
            move || std::fs::write(&path, b"x").unwrap()
        };
        std::fs::create_dir_all(folder.path().join("new/deep")).unwrap();
        until_heard(&hints, "new/deep/file", write("new/deep/file")).await;
        until_heard(&hints, "file", write("file")).await;
        std::fs::rename(folder.path().join("new"), folder.path().join("moved")).unwrap();
        until_heard(&hints, "moved", || ()).await;
        until_heard(&hints, "moved/deep/other", write("moved/deep/other")).await;
    }
}
