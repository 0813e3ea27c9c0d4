//! Packs as files of the store's folder: reading them, and their trash, `trash/<day>/<number>.<Unix ms>.pack`.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use protocol::id::{BlobId, StoreId};
use rustix::fs::{Advice, fadvise};
use time::OffsetDateTime;

use super::super::error::StoreError;
use super::super::examine::{Examined, KnownPack, examine};
use super::super::folder::{Folder, sync_folder};
use super::super::index::Location;
use super::super::pack::{self, Pack};
use super::super::record::HEADER_LEN;
use super::{Sizes, Source as _, Trashed, trashed_since};

/// Bytes that a disk cannot read without their neighbours.
const SECTOR: usize = 512;

/// The folders with the packs.
#[derive(Debug, Clone)]
pub(crate) struct DiskLog {
    pub(super) packs: PathBuf,
    trash: PathBuf,
}

impl DiskLog {
    pub(crate) fn of(folder: &Folder) -> Self {
        Self { packs: folder.packs(), trash: folder.trash() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.packs
    }

    /// The packs that are there and their sizes, ascending; and the paths of files that are none.
    pub(crate) fn packs(&self) -> Result<(Sizes, Vec<PathBuf>), StoreError> {
        let (numbers, strangers) = pack::list(&self.packs).map_err(StoreError::file("list", &self.packs))?;
        let mut packs = Vec::with_capacity(numbers.len());
        for number in numbers {
            let path = pack::path(&self.packs, number);
            packs.push((number, fs::metadata(&path).map_err(StoreError::file("look at", path))?.len()));
        }
        Ok((packs, strangers))
    }

    pub(crate) fn examine(&self, number: u32, store: StoreId) -> io::Result<Examined> {
        examine(&File::open(pack::path(&self.packs, number))?, number, store)
    }

    /// None without a marker: such a pack is read through the index alone, and gets no more records.
    pub(crate) fn open_pack(&self, known: &KnownPack) -> Result<Option<Pack>, StoreError> {
        let opened = known.marker.map(|marker| Pack::open(&self.packs, known.number, marker)).transpose();
        opened.map_err(|source| StoreError::ReadPack { pack: known.number, source })
    }

    /// Reads a blob and checks that it is the one asked for, undamaged. None: it is not, or its pack is gone.
    pub(crate) fn read_blob(&self, id: &BlobId, at: Location) -> io::Result<Option<Bytes>> {
        // Opening a pack for each read costs microseconds, and leaves nothing open: files do not grow with packs.
        let Some(file) = self.open_if_there(at.pack)? else { return Ok(None) };
        let mut record = vec![0; HEADER_LEN + at.len as usize];
        match file.read_exact_at(&mut record, at.offset) {
            Ok(()) => {}
            // Past the end, or a sector that the disk cannot read: this copy is lost, the node is not.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) if is_unreadable(&error) => return Ok(None),
            Err(error) => return Err(error),
        }
        Ok(pack::payload_of(record, id, at))
    }

    /// Makes the next read of a record ask the disk.
    pub(crate) fn drop_cached(&self, at: Location) -> io::Result<()> {
        let Some(file) = self.open_if_there(at.pack)? else { return Ok(()) };
        Ok(fadvise(&file, at.offset, NonZeroU64::new(at.record_len()), Advice::DontNeed)?)
    }

    /// What can be read of so many bytes of a pack; zeros for what cannot.
    pub(crate) fn salvage(&self, pack: u32, offset: u64, len: u64) -> io::Result<Vec<u8>> {
        let Some(file) = self.open_if_there(pack)? else { return Ok(Vec::new()) };
        let mut bytes = vec![0; usize::try_from(len).expect("a pack's bytes fit in memory")];
        // In small steps: one sector that the disk cannot read must not take the others with it.
        for (step, at) in bytes.chunks_mut(SECTOR).zip((offset..).step_by(SECTOR)) {
            match file.read_up_to(step, at) {
                Ok(_) => {}
                Err(error) if is_unreadable(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }

    fn open_if_there(&self, pack: u32) -> io::Result<Option<File>> {
        match File::open(pack::path(&self.packs, pack)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves a pack to the trash.
    pub(crate) fn trash_pack(&self, number: u32, now_ms: u64) -> Result<(), StoreError> {
        let day = self.trash.join(day_of(now_ms));
        fs::create_dir_all(&day).map_err(StoreError::file("make the folder", &day))?;
        sync_folder(&self.trash)?;
        let path = pack::path(&self.packs, number);
        let target = day.join(format!("{number:08}.{now_ms}.pack"));
        fs::rename(&path, target).map_err(StoreError::file("move to the trash", path))?;
        sync_folder(&day)?;
        sync_folder(&self.packs)
    }

    pub(crate) fn trashed(&self) -> Result<Vec<Trashed>, StoreError> {
        let mut trashed = Vec::new();
        for day in entries(&self.trash)?.into_iter().filter(|path| path.is_dir()) {
            for path in entries(&day)? {
                let since_ms = path.file_name().and_then(|name| trashed_since(name.to_str()?));
                let name = path.strip_prefix(&self.trash).ok().and_then(Path::to_str);
                trashed.extend(
                    since_ms.zip(name).map(|(since_ms, name)| Trashed { since_ms, name: name.to_owned() }),
                );
            }
        }
        Ok(trashed)
    }

    pub(crate) fn remove_trashed(&self, trashed: &Trashed) -> Result<(), StoreError> {
        let path = self.trash.join(&trashed.name);
        fs::remove_file(&path).map_err(StoreError::file("remove", &path))?;
        // The day's folder goes with its last pack.
        drop(path.parent().map(fs::remove_dir));
        Ok(())
    }
}

/// A sector that the disk cannot read.
fn is_unreadable(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    list().map_err(StoreError::file("list", folder))
}

/// `YYYY-MM-DD`, UTC.
fn day_of(now_ms: u64) -> String {
    let seconds = i64::try_from(now_ms / 1000).unwrap_or(i64::MAX);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.date().to_string()
}
