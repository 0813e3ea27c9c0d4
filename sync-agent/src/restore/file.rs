//! Writing one file: under another name in its directory, with holes where it has long runs of zeros, synced, and then
//! renamed into its place. Nobody ever sees half of it; the next restore goes on with what is left of one that ended.

use std::fs::{File, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use backup::Name;
use client::TreeEntry;
use rustix::fs::{
    AtFlags, Mode, OFlags, fsync, openat, readlinkat, renameat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::attributes::{Applied, Privileges, apply, times};
use super::directory::Directory;
use crate::scan::RESTORE_PREFIX;

/// Zeros are left out in blocks of this size: what file systems allocate.
const BLOCK: usize = 4096;
const READ_BYTES: usize = 1 << 20;
const OPEN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

impl AsFd for NewFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A file on its way to its place. What was written stays until it is finished or discarded.
pub(super) struct NewFile {
    directory: Arc<Directory>,
    temporary: String,
    file: File,
}

impl NewFile {
    /// Begins a file that will have this content.
    pub(super) fn create(directory: Arc<Directory>, name: &Name, hash: &[u8; 32]) -> io::Result<Self> {
        let temporary = temporary_name(name, hash);
        // Left by a restore that was killed, or put there by somebody: it might be linked to another file.
        remove_if_there(&directory, &temporary)?;
        let flags = OPEN | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let fd = openat(&directory, temporary.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        let file = File::from(fd);
        // Some file systems have no locks: there, two restores at once are as they are.
        let _ = file.try_lock();
        Ok(Self { directory, temporary, file })
    }

    /// Goes on with the first `kept` bytes of what is left of one that ended.
    pub(super) fn resume(
        directory: Arc<Directory>,
        name: &Name,
        hash: &[u8; 32],
        kept: u64,
    ) -> io::Result<Self> {
        let file = open_left(&directory, name, hash)?;
        let _ = file.try_lock();
        file.set_len(kept)?;
        Ok(Self { directory, temporary: temporary_name(name, hash), file })
    }

    /// Writes bytes where there are none yet.
    pub(super) fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut at = 0;
        while at < bytes.len() {
            let len = run_len(offset + at as u64, &bytes[at..]);
            let run = &bytes[at..at + len];
            if !is_zero(run) {
                self.file.write_all_at(run, offset + at as u64)?;
            }
            at += len;
        }
        Ok(())
    }

    /// Gives the file its size and attributes, once all is written.
    pub(super) fn complete(
        &self,
        entry: &TreeEntry,
        size: u64,
        privileges: Privileges,
    ) -> io::Result<Applied> {
        self.file.set_len(size)?;
        apply(&self.file, entry, privileges)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.file)?)
    }

    /// Puts the file, which must be synced, into its place, where nothing but a file or link may be.
    pub(super) fn put_into_place(&self, name: &Name) -> io::Result<()> {
        Ok(renameat(&self.directory, self.temporary.as_str(), &self.directory, name.as_bytes())?)
    }

    /// Nothing is left of it.
    pub(super) fn discard(self) {
        // What cannot be removed is replaced by the next restore.
        let _ = unlinkat(&self.directory, self.temporary.as_str(), AtFlags::empty());
    }

    /// Whether what the disk gives back has the hash.
    pub(super) fn verify(&self, size: u64, hash: &[u8; 32]) -> io::Result<bool> {
        self.file.set_len(size)?;
        fsync(&self.file)?;
        // Only advice; what is still in memory is read from there.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
        has_hash(&self.file, hash)
    }
}

/// Opens what a restore that ended left of a file: only if this user made it, nobody else can have a hand in it, and no
/// restore that still runs has it.
pub(super) fn open_left(directory: impl AsFd, name: &Name, hash: &[u8; 32]) -> io::Result<File> {
    let flags = OPEN | OFlags::RDWR;
    let file: File = openat(directory, temporary_name(name, hash).as_str(), flags, Mode::empty())?.into();
    let stat = rustix::fs::fstat(&file)?;
    let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile;
    let is_own = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_nlink == 1;
    let is_private = !Mode::from_raw_mode(stat.st_mode).intersects(Mode::RWXG | Mode::RWXO);
    if !is_file || !is_own || !is_private || matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        return Err(io::Error::other("it is somebody else's"));
    }
    // Whoever reads it does not keep it from who goes on with it.
    let _ = file.unlock();
    Ok(file)
}

/// Removes what is left of a file, if anything is.
pub(super) fn discard_left(directory: &Directory, name: &Name, hash: &[u8; 32]) {
    // What cannot be removed is replaced by the next restore.
    let _ = remove_if_there(directory, &temporary_name(name, hash));
}

/// The same for the same file, so that the next restore finds what a killed one left.
fn temporary_name(name: &Name, content: &[u8]) -> String {
    let hash = blake3::Hasher::new().update(content).update(name.as_bytes()).finalize();
    format!("{RESTORE_PREFIX}{}", &hash.to_hex()[..16])
}

fn remove_if_there(directory: &Directory, name: &str) -> io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// How many of the bytes are alike: blocks of zeros, or blocks that are not.
fn run_len(offset: u64, bytes: &[u8]) -> usize {
    let to_boundary = BLOCK - (offset % BLOCK as u64) as usize;
    let mut end = to_boundary.min(bytes.len());
    let zero = is_zero(&bytes[..end]);
    while end < bytes.len() {
        let next = (end + BLOCK).min(bytes.len());
        if is_zero(&bytes[end..next]) != zero {
            break;
        }
        end = next;
    }
    end
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

/// Opens a file that is there.
pub(super) fn open_present(directory: impl AsFd, name: &Name) -> io::Result<File> {
    Ok(openat(directory, name.as_bytes(), OPEN | OFlags::RDONLY, Mode::empty())?.into())
}

/// Whether the content of a file has this BLAKE3 hash.
pub(super) fn has_hash(file: &File, hash: &[u8; 32]) -> io::Result<bool> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; READ_BYTES];
    let mut offset = 0;
    loop {
        let len = file.read_at(&mut buffer, offset)?;
        if len == 0 {
            return Ok(hasher.finalize() == blake3::Hash::from_bytes(*hash));
        }
        hasher.update(&buffer[..len]);
        offset += len as u64;
    }
}

/// Whether a link that is there points to the same.
pub(super) fn points_to(directory: impl AsFd, name: &Name, target: &[u8]) -> io::Result<bool> {
    Ok(readlinkat(directory, name.as_bytes(), Vec::new())?.as_bytes() == target)
}

/// Makes a link and puts it into its place, where nothing but a file or link may be.
pub(super) fn write_symlink(
    directory: &Directory,
    name: &Name,
    target: &[u8],
    mtime_ns: i64,
) -> io::Result<()> {
    let temporary = temporary_name(name, target);
    remove_if_there(directory, &temporary)?;
    symlinkat(target, directory, temporary.as_str())?;
    utimensat(directory, temporary.as_str(), &times(mtime_ns), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(renameat(directory, temporary.as_str(), directory, name.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_are_alike_and_end_at_blocks(
            offset in 0..20_000_u64, blocks in prop::collection::vec((any::<bool>(), 1..9000_usize), 1..6),
        ) {
            let bytes: Vec<u8> = blocks.iter().flat_map(|(zero, len)| vec![u8::from(!zero); *len]).collect();
            let mut at = 0;
            while at < bytes.len() {
                let len = run_len(offset + at as u64, &bytes[at..]);
                prop_assert!(len > 0);
                let end = at + len;
                prop_assert!(end == bytes.len() || (offset + end as u64).is_multiple_of(BLOCK as u64));
                at = end;
            }
        }
    }
}
