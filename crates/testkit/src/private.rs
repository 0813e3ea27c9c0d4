//! Files that only their owner may read.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Writes a secret as programs take it: they refuse one that others may read.
///
/// # Panics
/// If the file cannot be written.
pub fn write_private(path: &Path, text: &str) {
    let mut file = File::create(path).expect("a writable folder");
    file.set_permissions(Permissions::from_mode(0o600)).expect("its owner may");
    file.write_all(text.as_bytes()).expect("a writable file");
}
