//! Random changes of folders: the same for the same seed, and every kind that a file system has.

use std::ffi::OsString;
use std::fs::{self, File, FileType, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::noise;

/// Small numbers from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = u64::from_be_bytes(noise(self.0, 8).try_into().unwrap());
        self.0 % sides
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.roll(all.len() as u64) as usize]
    }
}

/// What changes the folders of one agent.
pub(crate) struct Weather {
    pub(crate) dice: Dice,
    roots: Vec<PathBuf>,
    names: u64,
    /// Files that may still go: more at once would be a mass deletion, which waits for a person.
    may_go: usize,
}

const FILES_A_DIRECTORY: u64 = 20;

impl Weather {
    pub(crate) fn new(seed: u64, roots: &[&Path]) -> Self {
        let roots = roots.iter().map(|root| (*root).to_owned()).collect();
        Self { dice: Dice::new(seed), roots, names: 0, may_go: 0 }
    }

    /// Makes so many files, in directories as deep as it happens.
    pub(crate) fn fill(&mut self, files: u64) {
        for number in 0..files {
            if number % FILES_A_DIRECTORY == 0 {
                let directory = self.directory().join(self.name());
                fs::create_dir(directory).unwrap();
            }
            self.create().unwrap();
        }
    }

    /// Makes so many changes, with pauses. A twelfth as many files go at most.
    pub(crate) async fn rage(&mut self, changes: u64) {
        self.may_go = changes as usize / 12;
        for _ in 0..changes {
            // What it needs may be missing by now; then it changes nothing.
            let _ = self.change();
            if self.dice.roll(50) == 0 {
                tokio::time::sleep(Duration::from_millis(self.dice.roll(300))).await;
            }
        }
    }

    fn change(&mut self) -> io::Result<()> {
        match self.dice.roll(100) {
            0..15 => self.create(),
            15..27 => OpenOptions::new().append(true).open(self.file())?.write_all(b"more"),
            27..34 => fs::write(self.file(), self.content()),
            34..40 => self.replace(),
            40..50 => self.set_mode(),
            50..60 => self.set_time(),
            60..72 => self.move_file(),
            72..80 => self.move_directory(),
            80..86 => self.remove_file(),
            86..88 => self.remove_directory().map(drop),
            88..91 => symlink(self.dice.one_of(&["nowhere", "../up", "/etc/passwd"]), self.new_path()),
            91..94 => fs::hard_link(self.file(), self.new_path()),
            94..96 => fs::write(self.remove_directory()?, b"once a directory"),
            96..98 => self.file_to_directory(),
            _ => self.create_sparse(),
        }
    }

    fn create(&mut self) -> io::Result<()> {
        fs::write(self.new_path(), self.content())
    }

    /// As most programs save: a new file takes the place of the old one.
    fn replace(&mut self) -> io::Result<()> {
        let (file, new) = (self.file(), self.new_path());
        fs::write(&new, self.content())?;
        fs::rename(new, file)
    }

    fn create_sparse(&mut self) -> io::Result<()> {
        let file = File::create(self.new_path())?;
        file.set_len(300_000)?;
        file.write_all_at(b"in the middle", self.dice.roll(300_000))
    }

    fn set_mode(&mut self) -> io::Result<()> {
        let (path, mode) = match self.dice.roll(4) {
            0 => (self.directory(), self.dice.one_of(&[0o700, 0o755, 0o1777])),
            _ => (self.file(), self.dice.one_of(&[0o400, 0o600, 0o644, 0o755])),
        };
        self.check_not_root(&path)?;
        fs::set_permissions(path, Permissions::from_mode(mode))
    }

    /// Of a file, from long ago to long from now.
    fn set_time(&mut self) -> io::Result<()> {
        let time = Duration::new(self.dice.roll(4_000_000_000), 123_456_789);
        OpenOptions::new().write(true).open(self.file())?.set_modified(SystemTime::UNIX_EPOCH + time)
    }

    fn move_file(&mut self) -> io::Result<()> {
        let (from, to) = (self.file(), self.new_path());
        if !self.is_same_root(&from, &to) {
            self.let_go(1)?;
        }
        fs::rename(from, to)
    }

    fn move_directory(&mut self) -> io::Result<()> {
        let (from, to) = (self.directory(), self.new_path());
        self.check_not_root(&from)?;
        if !self.is_same_root(&from, &to) {
            self.let_go(count(&from))?;
        }
        fs::rename(from, to)
    }

    fn remove_file(&mut self) -> io::Result<()> {
        let file = self.file();
        self.let_go(1)?;
        fs::remove_file(file)
    }

    fn remove_directory(&mut self) -> io::Result<PathBuf> {
        let directory = self.directory();
        self.check_not_root(&directory)?;
        self.let_go(count(&directory))?;
        fs::remove_dir_all(&directory)?;
        Ok(directory)
    }

    fn file_to_directory(&mut self) -> io::Result<()> {
        let file = self.file();
        self.let_go(1)?;
        fs::remove_file(&file)?;
        fs::create_dir(&file)?;
        fs::write(file.join("beneath"), self.content())
    }

    fn let_go(&mut self, files: usize) -> io::Result<()> {
        self.may_go = self.may_go.checked_sub(files).ok_or(io::ErrorKind::QuotaExceeded)?;
        Ok(())
    }

    fn is_same_root(&self, one: &Path, other: &Path) -> bool {
        self.roots.iter().any(|root| one.starts_with(root) && other.starts_with(root))
    }

    fn check_not_root(&self, path: &Path) -> io::Result<()> {
        if self.roots.iter().any(|root| root == path) {
            Err(io::ErrorKind::InvalidInput.into())
        } else {
            Ok(())
        }
    }

    fn content(&mut self) -> Vec<u8> {
        let len = match self.dice.roll(200) {
            0 => 700_000,
            1..10 => 20_000,
            10..30 => 0,
            _ => 1 + self.dice.roll(4_000) as usize,
        };
        noise(self.dice.0, len)
    }

    fn name(&mut self) -> OsString {
        self.names += 1;
        let odd: &[u8] = match self.dice.roll(12) {
            0 => b"caf\xe9 ",
            1 => b"new\nline ",
            2 => "über ".as_bytes(),
            _ => b"n",
        };
        OsString::from_vec([odd, self.names.to_string().as_bytes()].concat())
    }

    fn new_path(&mut self) -> PathBuf {
        self.directory().join(self.name())
    }

    /// Any directory; one of the folders themselves as often as not.
    fn directory(&mut self) -> PathBuf {
        let mut path = self.roots[self.dice.roll(self.roots.len() as u64) as usize].clone();
        while self.dice.roll(2) == 0 {
            let below = children(&path, FileType::is_dir);
            if below.is_empty() {
                break;
            }
            path.clone_from(&below[self.dice.roll(below.len() as u64) as usize]);
        }
        path
    }

    /// Any file, or a path where none is.
    fn file(&mut self) -> PathBuf {
        let directory = self.directory();
        let files = children(&directory, FileType::is_file);
        match files.len() {
            0 => directory.join("none"),
            len => files[self.dice.roll(len as u64) as usize].clone(),
        }
    }
}

/// What of a kind is in a directory, in the same order each time. Asks nothing of each entry, of which there are
/// thousands.
fn children(directory: &Path, is_wanted: impl Fn(&FileType) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let wanted = entries.filter(|it| it.file_type().is_ok_and(|kind| is_wanted(&kind)));
    let mut all: Vec<PathBuf> = wanted.map(|it| it.path()).collect();
    all.sort();
    all
}

/// What is in a directory and beneath it and is none itself.
fn count(directory: &Path) -> usize {
    let beneath = children(directory, FileType::is_dir);
    children(directory, |kind| !kind.is_dir()).len() + beneath.iter().map(|it| count(it)).sum::<usize>()
}
