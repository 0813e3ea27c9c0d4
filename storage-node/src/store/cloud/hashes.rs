//! `hashes.jsonl`: what the provider's hash of each pack was when its content was known to be good. While the provider
//! tells the same one, it holds the same bytes. A cache: a pack that is not in it is read once and added.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::super::error::StoreError;
use super::super::folder::replace_file;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    pack: u32,
    hash: String,
}

#[derive(Debug)]
pub(super) struct Hashes {
    path: PathBuf,
    known: Mutex<BTreeMap<u32, String>>,
}

impl Hashes {
    /// Of the packs that are still there.
    pub(super) fn open(path: PathBuf, is_there: impl Fn(u32) -> bool) -> Result<Self, StoreError> {
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(StoreError::file("read", path)(error)),
        };
        // A line that a crash cut short is none.
        let lines = content.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let known: BTreeMap<_, _> =
            lines.filter(|line: &Line| is_there(line.pack)).map(|line| (line.pack, line.hash)).collect();
        let content: Vec<u8> =
            known.iter().flat_map(|(pack, hash)| line(&Line { pack: *pack, hash: hash.clone() })).collect();
        replace_file(&path, &content)?;
        Ok(Self { path, known: Mutex::new(known) })
    }

    pub(super) fn get(&self, pack: u32) -> Option<String> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&pack).cloned()
    }

    /// Not synced: without the line the pack is read once.
    pub(super) fn note(&self, pack: u32, hash: String) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.path)
            .and_then(|mut file| file.write_all(&line(&Line { pack, hash: hash.clone() })));
        if let Err(error) = written {
            tracing::warn!(%error, path = %self.path.display(), "a hash is not kept");
        }
        known.insert(pack, hash);
    }
}

fn line(line: &Line) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("a number and a text serialize");
    bytes.push(b'\n');
    bytes
}
