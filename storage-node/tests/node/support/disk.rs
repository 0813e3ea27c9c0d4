//! File systems of a test's own. Needs the right to mount, which [`may_mount`] looks for.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use testkit::{TempDir, tempdir};

/// A file system, mounted over an empty folder while this lives.
pub struct Disk {
    pub folder: Arc<TempDir>,
    mount: Vec<String>,
}

/// Whether this process may mount; says why a test is skipped if not.
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
    pub fn tmpfs(bytes: u64) -> Self {
        Self::new(&["-t", "tmpfs", "-o", &format!("size={bytes}"), "none"])
    }

    /// In a new, sparse file of so many bytes, with options for `mkfs.ext4`.
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

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn mount(&self) {
        let path = self.path().display().to_string();
        let arguments: Vec<_> = self.mount.iter().map(String::as_str).chain([path.as_str()]).collect();
        run("mount", &arguments);
    }

    pub fn unmount(&self) {
        run("umount", &[&self.path().display().to_string()]);
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Also when the test failed in between; a disk that is not mounted is not an error then.
        drop(Command::new("umount").args(["--quiet", "--lazy"]).arg(self.path()).status());
    }
}

pub fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().expect("an installed program");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
