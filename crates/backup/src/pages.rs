//! Where a big directory is cut into pages: by its content, so that an insert touches one page.

use protocol::digest::sha256;

use crate::entry::Entry;
use crate::name::Name;

/// Entries in one directory blob at most.
pub(crate) const PAGE_ENTRIES_MAX: usize = 1024;
/// Encoded bytes of the entries in one directory blob at most; hence also of any entry.
const PAGE_BYTES_MAX: usize = 256 * 1024;
/// One name in 512 ends its page.
const BOUNDARY_MASK: u16 = 0x1FF;

/// Whether `count` entries that take `bytes` together may stand in one directory blob.
pub(crate) fn fit_one_page(count: usize, bytes: usize) -> bool {
    count <= PAGE_ENTRIES_MAX && bytes <= PAGE_BYTES_MAX
}

/// How many entries each page has, or `None` if the directory is not cut.
pub(crate) fn page_lens(entries: &[Entry]) -> Option<Vec<usize>> {
    let encoded_lens: Vec<usize> = entries.iter().map(|entry| entry.to_value().encode().len()).collect();
    if fit_one_page(entries.len(), encoded_lens.iter().sum()) {
        return None;
    }
    let mut pages = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    for (entry, len) in entries.iter().zip(encoded_lens) {
        if count > 0 && !fit_one_page(count + 1, bytes + len) {
            pages.push(count);
            (count, bytes) = (0, 0);
        }
        (count, bytes) = (count + 1, bytes + len);
        if ends_page(&entry.name) {
            pages.push(count);
            (count, bytes) = (0, 0);
        }
    }
    if count > 0 {
        pages.push(count);
    }
    Some(pages)
}

fn ends_page(name: &Name) -> bool {
    let digest = sha256(&[name.as_bytes()]);
    u16::from_be_bytes([digest[0], digest[1]]) & BOUNDARY_MASK == 0
}
