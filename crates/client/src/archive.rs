//! A zip archive that is written while it is read: stored files, data descriptors, zip64 where sizes need it.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use ::backup::{Entry, Node};
use time::{OffsetDateTime, PrimitiveDateTime};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::Error;
use crate::path::Path;

/// Sizes from here on do not fit the fields of the first zip format.
const LARGE_FILE_BYTES: u64 = u32::MAX as u64;

/// What was written and not taken yet.
#[derive(Clone, Default)]
struct Pending(Rc<RefCell<Vec<u8>>>);

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive under way.
pub(crate) struct Archive {
    writer: ZipWriter<StreamWriter<Pending>>,
    pending: Pending,
}

impl Archive {
    pub(crate) fn new() -> Self {
        let pending = Pending::default();
        Self { writer: ZipWriter::new_stream(pending.clone()), pending }
    }

    /// Begins an entry; of a file, its bytes follow.
    pub(crate) fn begin(&mut self, path: &Path, entry: &Entry) -> Result<(), Error> {
        let path = path.to_bytes();
        let path = String::from_utf8_lossy(&path);
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .unix_permissions(entry.mode)
            .last_modified_time(date_time(entry.mtime_ns));
        match &entry.node {
            Node::File { size, .. } => {
                self.writer.start_file(path, options.large_file(*size >= LARGE_FILE_BYTES))?;
            }
            Node::Directory { .. } => self.writer.add_directory(path, options)?,
            Node::Symlink { target } => {
                self.writer.add_symlink(path, String::from_utf8_lossy(target), options)?;
            }
        }
        Ok(())
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        Ok(self.writer.write_all(data).map_err(zip::result::ZipError::Io)?)
    }

    /// The bytes that were written since they were last taken.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.pending.0.take()
    }

    /// Writes the archive's directory and returns the last bytes.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        self.writer.finish()?;
        Ok(self.pending.0.take())
    }
}

/// In UTC, to two seconds; what lies outside 1980 to 2107 gets the format's first moment.
fn date_time(mtime_ns: i64) -> DateTime {
    OffsetDateTime::from_unix_timestamp_nanos(mtime_ns.into())
        .ok()
        .and_then(|time| DateTime::try_from(PrimitiveDateTime::new(time.date(), time.time())).ok())
        .unwrap_or_default()
}
