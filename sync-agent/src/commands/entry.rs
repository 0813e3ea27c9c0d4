//! Entries of a snapshot as lines and as JSON.

use client::{TreeEntry, TreeNode};
use serde_json::json;

use crate::text::printable;
use crate::time::{date_time, rfc3339};

/// As `ls -l` shows it, without owners, which a snapshot has not.
pub(super) fn long_line(path: &[u8], entry: &TreeEntry) -> String {
    let size = match entry.node {
        TreeNode::File { size, .. } => size,
        TreeNode::Directory { bytes, .. } => bytes,
        TreeNode::Symlink { .. } => 0,
    };
    let arrow = match &entry.node {
        TreeNode::Symlink { target } => format!(" -> {}", printable(target)),
        _ => String::new(),
    };
    let (time, path) = (date_time(mtime_ms(entry)), printable(path));
    format!("{} {size:>12} {time} {path}{arrow}", permissions(entry))
}

/// As restic has it. A name that is not UTF-8 is there in hexadecimal digits too.
pub(super) fn object(message_type: &str, path: &[u8], entry: &TreeEntry) -> serde_json::Value {
    let mut object = json!({
        "message_type": message_type,
        "struct_type": "node",
        "name": String::from_utf8_lossy(&entry.name),
        "type": kind(entry),
        "path": format!("/{}", String::from_utf8_lossy(path)),
        "mode": entry.mode,
        "permissions": permissions(entry),
        "mtime": rfc3339(mtime_ms(entry)),
    });
    match &entry.node {
        TreeNode::File { size, hash, .. } => {
            object["size"] = json!(size);
            object["blake3"] = json!(hex::encode(hash));
        }
        TreeNode::Directory { files, bytes } => {
            object["files"] = json!(files);
            object["bytes"] = json!(bytes);
        }
        TreeNode::Symlink { target } => object["linktarget"] = json!(String::from_utf8_lossy(target)),
    }
    if std::str::from_utf8(path).is_err() {
        object["path_hex"] = json!(hex::encode(path));
    }
    object
}

fn kind(entry: &TreeEntry) -> &'static str {
    match entry.node {
        TreeNode::File { .. } => "file",
        TreeNode::Directory { .. } => "dir",
        TreeNode::Symlink { .. } => "symlink",
    }
}

fn mtime_ms(entry: &TreeEntry) -> u64 {
    u64::try_from(entry.mtime_ns / 1_000_000).unwrap_or_default()
}

fn permissions(entry: &TreeEntry) -> String {
    let kind = match entry.node {
        TreeNode::File { .. } => '-',
        TreeNode::Directory { .. } => 'd',
        TreeNode::Symlink { .. } => 'l',
    };
    let bit = |bit: u32, letter: char| if entry.mode & bit == 0 { '-' } else { letter };
    let execute = |bit: u32, special: u32, letter: char| match (entry.mode & bit, entry.mode & special) {
        (0, 0) => '-',
        (_, 0) => 'x',
        (0, _) => letter.to_ascii_uppercase(),
        _ => letter,
    };
    let letters = [
        kind,
        bit(0o400, 'r'),
        bit(0o200, 'w'),
        execute(0o100, 0o4000, 's'),
        bit(0o040, 'r'),
        bit(0o020, 'w'),
        execute(0o010, 0o2000, 's'),
        bit(0o004, 'r'),
        bit(0o002, 'w'),
        execute(0o001, 0o1000, 't'),
    ];
    letters.iter().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn shown(mode: u32) -> String {
        let node = TreeNode::Directory { files: 0, bytes: 0 };
        permissions(&TreeEntry { name: Vec::new(), mode, mtime_ns: 0, xattrs: BTreeMap::new(), node })
    }

    #[test]
    fn modes_look_as_they_do_in_ls() {
        assert_eq!(shown(0o755), "drwxr-xr-x");
        assert_eq!(shown(0o1777), "drwxrwxrwt");
        assert_eq!(shown(0o6744), "drwsr-Sr--");
    }
}
