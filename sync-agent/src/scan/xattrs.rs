//! Extended attributes of an open file or directory.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;

use rustix::fs::{fgetxattr, flistxattr};
use rustix::io::Errno;

/// As many bytes of names and values as an entry may have.
const BYTES_MAX: usize = 64 << 10;

/// What could be kept, and whether something had to be left out.
pub struct Xattrs {
    /// Values by name.
    pub kept: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Whether there are more than the format has room for.
    pub cut_short: bool,
}

/// Reads the attributes, in the order of their names, as many as the format has room for. A file system without them
/// has none.
pub fn read_xattrs(file: impl AsFd) -> io::Result<Xattrs> {
    let mut kept = BTreeMap::new();
    let mut cut_short = false;
    // The kernel gives at most 64 KiB of names, and of one value.
    let mut buffer = vec![0; BYTES_MAX];
    let names = match flistxattr(&file, &mut buffer[..]) {
        Ok(len) => buffer[..len].to_vec(),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut names: Vec<&[u8]> = names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    let mut bytes = 0;
    for name in names {
        match fgetxattr(&file, name, &mut buffer[..]) {
            Ok(len) if bytes + name.len() + len <= BYTES_MAX => {
                bytes += name.len() + len;
                kept.insert(name.to_vec(), buffer[..len].to_vec());
            }
            Ok(_) => cut_short = true,
            // Gone meanwhile, or for the kernel's own use.
            Err(Errno::NODATA | Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Xattrs { kept, cut_short })
}
