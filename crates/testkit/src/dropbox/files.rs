//! The account's files, in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Account;

const BLOCK: usize = 4 << 20;

impl Account {
    /// None for what is no path of Dropbox's.
    pub(super) fn place(&self, path: &str) -> Option<PathBuf> {
        let path = path.strip_prefix('/')?;
        let is_name = |name: &str| !name.is_empty() && name != "." && name != "..";
        path.split('/').all(is_name).then(|| self.root.join(path))
    }

    /// Metadata of what is there, as Dropbox tells it.
    pub(super) fn describe(&self, place: &Path) -> Option<Value> {
        let name = place.file_name()?.to_str()?;
        let path = format!("/{}", place.strip_prefix(&self.root).ok()?.to_str()?);
        let id = format!("id:{}", hex::encode(&Sha256::digest(path.as_bytes())[..16]));
        if place.is_dir() {
            return Some(json!({
                ".tag": "folder", "name": name, "id": id, "path_display": path, "path_lower": path.to_lowercase(),
            }));
        }
        let content = fs::read(place).ok()?;
        Some(json!({
            ".tag": "file", "name": name, "id": id, "path_display": path, "path_lower": path.to_lowercase(),
            "client_modified": "2026-11-23T12:00:00Z", "server_modified": "2026-11-23T12:00:00Z",
            "rev": hex::encode(&Sha256::digest(&content)[..8]), "size": content.len(), "is_downloadable": true,
            "content_hash": content_hash(&content),
        }))
    }

    /// Bytes of all files.
    pub(super) fn used(&self) -> u64 {
        fn sum(folder: &Path) -> io::Result<u64> {
            let mut bytes = 0;
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let metadata = entry.metadata()?;
                bytes += if metadata.is_dir() { sum(&entry.path())? } else { metadata.len() };
            }
            Ok(bytes)
        }
        sum(&self.root).unwrap_or_default()
    }
}

/// What is directly in a folder, but for the newest files, so many of them; none if there is no such folder.
pub(super) fn entries(folder: &Path, hidden: usize) -> Option<Vec<PathBuf>> {
    let mut paths: Vec<_> = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    let modified =
        |path: &PathBuf| path.metadata().and_then(|file| file.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    paths.sort_by_key(|path| (modified(path), path.clone()));
    paths.truncate(paths.len().saturating_sub(hidden));
    paths.sort();
    Some(paths)
}

/// Replaces or makes a file, with its folders.
pub(super) fn write(place: &Path, content: &[u8]) -> io::Result<()> {
    fs::create_dir_all(place.parent().unwrap_or(place))?;
    let unfinished = place.with_extension("unfinished");
    fs::write(&unfinished, content)?;
    fs::rename(unfinished, place)
}

/// As the documentation of Dropbox defines it.
fn content_hash(content: &[u8]) -> String {
    let blocks: Vec<u8> = content.chunks(BLOCK).flat_map(Sha256::digest).collect();
    hex::encode(Sha256::digest(&blocks))
}
