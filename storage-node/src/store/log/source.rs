//! The bytes of a pack, wherever they are.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// What packs are examined and scanned through.
pub(crate) trait Source {
    /// All of its bytes.
    fn len(&self) -> io::Result<u64>;

    /// Fills the buffer as far as the pack goes; the rest stays as it was.
    fn read_up_to(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl Source for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_up_to(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<usize> {
        let mut total = 0;
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => break,
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                    total += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }
}
