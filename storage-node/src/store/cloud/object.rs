//! A pack as an object: read by ranges, a window at a time, so that headers of small records come together.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;

use super::super::log::Source;
use super::super::pack::file_name;
use super::objects::Objects;

/// Bytes that are asked for at least: a request costs more than the bytes do.
const WINDOW: u64 = 256 << 10;

/// Reads block.
pub(crate) struct Object<'a> {
    objects: &'a Objects,
    path: String,
    len: u64,
    /// What was read last, and where it stands.
    window: RefCell<(u64, Bytes)>,
}

impl<'a> Object<'a> {
    pub(super) fn pack(objects: &'a Objects, number: u32, len: u64) -> Self {
        Self { objects, path: path(number), len, window: RefCell::new((0, Bytes::new())) }
    }

    fn fetch(&self, offset: u64, len: u64) -> io::Result<Bytes> {
        let range = offset..self.len.min(offset.saturating_add(len));
        let bytes = self.objects.read_blocking(self.path.clone(), range)?;
        bytes.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the object is gone"))
    }
}

impl Source for Object<'_> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_up_to(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.len.saturating_sub(offset));
        if wanted == 0 {
            return Ok(0);
        }
        let mut window = self.window.borrow_mut();
        let is_inside = offset >= window.0 && offset + wanted <= window.0 + window.1.len() as u64;
        if !is_inside {
            *window = (offset, self.fetch(offset, wanted.max(WINDOW))?);
        }
        let start = usize::try_from(offset - window.0).expect("a window fits in memory");
        let wanted = usize::try_from(wanted).expect("a buffer fits in memory");
        buffer[..wanted].copy_from_slice(&window.1[start..start + wanted]);
        Ok(wanted)
    }
}

/// Where a pack is.
pub(super) fn path(number: u32) -> String {
    format!("packs/{}", file_name(number))
}
