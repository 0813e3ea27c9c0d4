//! Files that look as they did when they were backed up, but so shortly after a change that the clock could hide
//! another one. Most are the same, and reading them here spares a snapshot that would say nothing.

use std::fs::File;
use std::io::{self, Read as _};

use rustix::fs::{OFlags, fstat};

use crate::index::Record;
use crate::platform::now_ns;
use crate::scan::{Meta, Root, TreePath};

/// Read at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// The row of a file whose bytes are those that were backed up, as it is trusted from now on. `None` if they are
/// others, or if the backup has to look for itself. Blocks.
pub(super) fn settled(root: &Root, path: &TreePath, meta: &Meta, row: &Record) -> Option<Record> {
    let stored = row.file.as_ref().filter(|file| !file.changed && meta.is_same(&row.meta))?;
    let read_ns = now_ns();
    // A pipe that took the file's place must not keep the agent waiting for a writer.
    let file = File::from(root.open_beneath(path, OFlags::RDONLY | OFlags::NONBLOCK).ok()?);
    let is_as_met = || fstat(&file).is_ok_and(|stat| Meta::from_stat(&stat).as_ref() == Some(meta));
    if !is_as_met() {
        return None;
    }
    let is_same = hash(&file).ok()? == stored.hash && is_as_met();
    is_same.then(|| Record::new(*meta, Some(stored.clone()), read_ns))
}

fn hash(mut file: &File) -> io::Result<[u8; 32]> {
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(len) => {
                hasher.update(&buffer[..len]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
