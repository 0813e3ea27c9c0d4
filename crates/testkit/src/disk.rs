//! File systems of a test's own. Needs the right to mount, which [`may_mount`] looks for.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::{TempDir, tempdir};

/// A file system, mounted over an empty folder while this lives.
pub struct Disk {
    /// Where it is mounted.
    pub folder: Arc<TempDir>,
    mount: Vec<String>,
}

/// `FS_IOC_SHUTDOWN` with `FS_SHUTDOWN_FLAGS_NOLOGFLUSH`.
const CUT_POWER: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// Whether this process may mount; says why a test is skipped if not.
///
/// # Panics
/// If there is no room for an empty folder.
pub fn may_mount() -> bool {
    let folder = tempdir().expect("a temporary folder");
    let path = folder.path().display().to_string();
    let tried = Command::new("mount").args(["-t", "tmpfs", "none", &path]).output();
    match tried {
        Ok(output) if output.status.success() => {
            run("umount", &[&path]);
            true
        }
        Ok(output) => {
            eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
            false
        }
        Err(error) => {
            eprintln!("skipped: mount: {error}");
            false
        }
    }
}

impl Disk {
    /// In memory, of so many bytes.
    ///
    /// # Panics
    /// As all that mounts: if [`may_mount`] would say no.
    pub fn tmpfs(bytes: u64) -> Self {
        Self::new(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "none"])
    }

    /// In a new, sparse file of so many bytes, with options for `mkfs.ext4`.
    ///
    /// # Panics
    /// As [`Self::tmpfs`].
    pub fn ext4(image: &Path, bytes: u64, options: &[&str]) -> Self {
        let image = image.display().to_string();
        run("truncate", &[&format!("--size={bytes}"), &image]);
        run("mkfs.ext4", &[&["-q"], options, &[image.as_str()]].concat());
        Self::new(&["-o", "loop", &image])
    }

    fn new(mount: &[&str]) -> Self {
        let folder = Arc::new(tempdir().expect("a temporary folder"));
        let disk = Self { folder, mount: mount.iter().map(|&argument| argument.to_owned()).collect() };
        disk.mount();
        disk
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Mounts it again.
    ///
    /// # Panics
    /// If that fails.
    pub fn mount(&self) {
        let path = self.path().display().to_string();
        let arguments: Vec<_> = self.mount.iter().map(String::as_str).chain([path.as_str()]).collect();
        run("mount", &arguments);
    }

    /// Unmounts it; what is beneath is an empty folder.
    ///
    /// # Panics
    /// If something still uses it.
    pub fn unmount(&self) {
        run("umount", &[&self.path().display().to_string()]);
    }

    /// Unmounts it unless somebody uses it just now, and says whether it did.
    ///
    /// # Panics
    /// If `umount` is not installed.
    pub fn try_unmount(&self) -> bool {
        let unmounted = Command::new("umount").arg(self.path()).output().expect("an installed program");
        unmounted.status.success()
    }

    /// Writes all of it to the disk.
    ///
    /// # Panics
    /// If that fails.
    pub fn sync(&self) {
        run("sync", &["--file-system", &self.path().display().to_string()]);
    }

    /// Loses all that was not synced, as when the power goes out. From now on it fails until it is mounted again.
    ///
    /// # Panics
    /// On a file system that cannot be shut down.
    pub fn cut_power(&self) {
        run("python3", &["-c", CUT_POWER, &self.path().display().to_string()]);
    }
}

/// Takes all room of a disk but so many bytes, until the file that it returns is removed.
///
/// # Panics
/// On a disk that fails otherwise.
pub fn fill(disk: &Path, leave: usize) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).expect("a disk that can be written to");
    let block = vec![1; 1 << 16];
    let error = loop {
        if let Err(error) = file.write_all(&block) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    let len = file.metadata().expect("an open file").len();
    file.set_len(len.saturating_sub(leave as u64)).expect("a file can shrink");
    path
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also when the test failed in between; a disk that is not mounted is not an error then.
        drop(Command::new("umount").args(["--quiet", "--lazy"]).arg(self.path()).status());
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("an installed program");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
