//! What happens to the store of a node: real damage to real files.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::dice::Dice;

/// Bits that flip in each pack.
const FLIPS: u64 = 24;

/// The node has another store from now on, and an empty one. It must not run.
pub(crate) fn wipe(node: &Path, dice: &mut Dice) {
    let identity = node.join("node.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&fs::read(&identity).expect("a node has an identity")).expect("it is JSON");
    for entry in fs::read_dir(node).expect("a node has a folder") {
        let path = entry.expect("it can be listed").path();
        let is_store = !["node.json", "directory.json"].iter().any(|name| path.ends_with(name));
        match (is_store, path.is_dir()) {
            (true, true) => fs::remove_dir_all(path).expect("it is there"),
            (true, false) => fs::remove_file(path).expect("it is there"),
            (false, _) => {}
        }
    }
    json["store_id"] = format!("{:016x}{:016x}", dice.roll(u64::MAX), dice.roll(u64::MAX)).into();
    fs::write(&identity, json.to_string()).expect("a disk that can be written to");
}

/// Some bits of each pack flip, where something is written; the node may run.
pub(crate) fn flip_bits(node: &Path, dice: &mut Dice) {
    for pack in packs(node) {
        let mut file = OpenOptions::new().read(true).write(true).open(pack).expect("a pack");
        let len = file.metadata().expect("an open file").len();
        for _ in 0..FLIPS {
            let at = SeekFrom::Start(dice.roll(len.max(1)));
            let mut byte = [0];
            file.seek(at).expect("within the file");
            // A pack may have been compacted away meanwhile; zeros are room that nothing was written to.
            if file.read(&mut byte).expect("an open file") == 1 && byte != [0] {
                byte[0] ^= 1 << dice.roll(8);
                file.seek(at).expect("within the file");
                file.write_all(&byte).expect("a disk that can be written to");
            }
        }
    }
}

/// Each pack loses its end, by chance from somewhere on. The node must not run.
pub(crate) fn truncate(node: &Path, dice: &mut Dice) {
    for pack in packs(node) {
        let file = OpenOptions::new().write(true).open(pack).expect("a pack");
        let len = file.metadata().expect("an open file").len();
        file.set_len(dice.roll(len + 1)).expect("a file can shrink");
    }
}

/// Keeps the store as it is now. The node must not run.
pub(crate) fn keep(node: &Path, copy: &Path) {
    // Nothing is there the first time.
    drop(fs::remove_dir_all(copy));
    let copied = Command::new("cp").arg("--archive").arg(node).arg(copy).status();
    assert!(copied.is_ok_and(|status| status.success()), "{} can be copied", node.display());
}

/// Puts the store back as it was kept. The node must not run.
pub(crate) fn put_back(node: &Path, copy: &Path) {
    fs::remove_dir_all(node).expect("a node has a folder");
    fs::rename(copy, node).expect("a copy was kept");
}

fn packs(node: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(node.join("packs")).expect("a node has packs");
    let mut packs: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    packs.sort();
    packs
}
