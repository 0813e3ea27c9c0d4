//! The sets of files, from seeds: the same for everybody, and of bytes that neither compress nor repeat.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::noise;

/// A set of files.
pub(crate) struct Set {
    pub(crate) letter: char,
    pub(crate) name: String,
    what: What,
}

enum What {
    /// So many files of so many bytes.
    Files { count: u64, bytes: usize },
    /// What lies in a folder.
    Copy(PathBuf),
}

/// Bytes that are made at once.
const BLOCK: usize = 4 << 20;
/// Files in one folder.
const FILES_IN_FOLDER: u64 = 100;

pub(crate) fn sets(tree: Option<&Path>) -> Vec<Set> {
    let files = |letter, name: &str, count, bytes| Set {
        letter,
        name: name.to_owned(),
        what: What::Files { count, bytes },
    };
    let mut sets = vec![
        files('a', "10,000 files of 4 KiB", 10_000, 4 << 10),
        files('b', "200 files of 5 MiB", 200, 5 << 20),
        files('c', "one file of 2 GiB", 1, 2 << 30),
        files('m', "1,000,000 files of 2 KiB", 1_000_000, 2 << 10),
    ];
    if let Some(tree) = tree {
        let what = What::Copy(tree.to_owned());
        sets.push(Set { letter: 'g', name: format!("the tree {}", name(tree)), what });
    }
    sets
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Set {
    pub(crate) fn make(&self, folder: &Path) {
        match &self.what {
            What::Files { count, bytes } => (0..*count).for_each(|number| write(folder, number, *bytes)),
            What::Copy(tree) => run(Command::new("cp").arg("-a").arg(tree).arg(folder)),
        }
        // What is still to be written would slow down who comes first.
        rustix::fs::sync();
    }

    /// Changes a hundredth: every hundredth file, or that much in the middle of the only one.
    pub(crate) fn change(&self, folder: &Path) {
        match &self.what {
            What::Files { count: 1, bytes } => {
                let file = OpenOptions::new().write(true).open(path(folder, 0)).unwrap();
                let middle = (*bytes / 2) as u64;
                file.write_all_at(&noise(u64::MAX, bytes / 100), middle).unwrap();
            }
            What::Files { count, bytes } => {
                for number in (0..*count).step_by(100) {
                    fs::write(path(folder, number), noise(count + number, *bytes)).unwrap();
                }
            }
            What::Copy(_) => {
                for file in regular_files(folder).iter().step_by(100) {
                    OpenOptions::new().append(true).open(file).unwrap().write_all(b"changed").unwrap();
                }
            }
        }
        rustix::fs::sync();
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join((number / FILES_IN_FOLDER).to_string()).join(number.to_string())
}

fn write(folder: &Path, number: u64, bytes: usize) {
    let path = path(folder, number);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = File::create(path).unwrap();
    for (block, start) in (0..bytes).step_by(BLOCK).enumerate() {
        let seed = (number << 32) + block as u64;
        file.write_all(&noise(seed, BLOCK.min(bytes - start))).unwrap();
    }
}

fn regular_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

/// To the byte, by a program that is nobody's.
pub(crate) fn assert_equal(left: &Path, right: &Path) {
    run(Command::new("diff").args(["--recursive", "--no-dereference", "--brief"]).args([left, right]));
}

pub(crate) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {printed}{errors}");
}
