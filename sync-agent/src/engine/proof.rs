//! Proving that a folder's newest snapshot can be restored: a random sample and one whole file are restored as by a
//! device that has nothing, and compared with the disk where the files are still those that were backed up.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use client::{Flaw, Prover, Vault};
use protocol::id::SourceId;
use rustix::fs::{OFlags, fstat};

use super::EngineError;
use super::make::to_path;
use super::plan::Target;
use crate::index::{Index, Pick, Picked};
use crate::platform::{now_ms, random_u64};
use crate::scan::{Meta, Root, TreePath};

/// Files that are taken by chance, each as likely as any other.
const FILES: usize = 8;
/// Places that are taken by chance, each byte as likely as any other.
const PLACES: usize = 8;
/// Bytes of a file that are restored of each: 64 MiB in all.
const SAMPLE_BYTES: u64 = 4 << 20;
/// The one file that is restored as a whole has at most so many bytes.
const WHOLE_BYTES_MAX: u64 = 256 << 20;

/// What a proof needs.
pub(super) struct Proof {
    pub(super) vault: Vault,
    pub(super) index: Arc<Index>,
    pub(super) target: Target,
    /// A proof of these last milliseconds that the coordinator knows of will do.
    pub(super) fresh_ms: Option<u64>,
}

/// What it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Proven {
    /// Everything that was tried came back as it was backed up.
    Restored(Sums),
    /// Somebody else proved it meanwhile, at this time in Unix milliseconds.
    Elsewhere(u64),
    /// Something did not come back, or not as it lies on the disk.
    Damaged {
        /// What the vault does not give back.
        lost: Vec<(TreePath, Flaw)>,
        /// Files that came back as they were backed up, and lie otherwise on the disk, though they look the same.
        differ: Vec<TreePath>,
    },
    /// There is no complete snapshot that the index tells of.
    NotYet,
}

/// How much was restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Files, or parts of files.
    pub(super) files: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Those of them that were compared with the disk.
    pub(super) compared_bytes: u64,
}

impl Proof {
    pub(super) async fn run(self) -> Result<Proven, EngineError> {
        let source = self.target.source;
        if let Some(fresh_ms) = self.fresh_ms
            && let Some(proven_ms) = self.proven_elsewhere(source).await?
            && now_ms().saturating_sub(proven_ms) < fresh_ms
        {
            return Ok(Proven::Elsewhere(proven_ms));
        }
        let newest = self.vault.snapshots(source).last().map(|snapshot| snapshot.seq);
        let state = self.index.folder(&source)?;
        let prover = self.vault.prover(source)?;
        let (Some(prover), true) = (prover, self.vault.is_complete(source) && state.seq == newest) else {
            return Ok(Proven::NotYet);
        };
        let mut sums = Sums::default();
        let (mut lost, mut differ) = (Vec::new(), Vec::new());
        for (picked, bytes) in with_one_whole(self.sample(state.files, state.bytes).await?) {
            match self.restore(&prover, &picked, bytes, &mut sums).await? {
                Ok(Some(true)) => differ.push(picked.path),
                Ok(_) => {}
                Err(flaw) => {
                    tracing::error!(path = %picked.path, reason = flaw.reason, "cannot be restored");
                    lost.push((picked.path, flaw));
                }
            }
        }
        if !lost.is_empty() || !differ.is_empty() {
            return Ok(Proven::Damaged { lost, differ });
        }
        self.vault.report_proof(source).await?;
        Ok(Proven::Restored(sums))
    }

    async fn proven_elsewhere(&self, source: SourceId) -> Result<Option<u64>, EngineError> {
        let status = self.vault.status().await?;
        let known = status.sources.into_iter().find(|known| known.source == source);
        Ok(known.and_then(|known| known.proven_ms))
    }

    async fn sample(&self, files: u64, bytes: u64) -> Result<Vec<Picked>, EngineError> {
        let number = |below: u64| (below > 0).then(|| random_u64() % below);
        let by_number = (0..FILES).filter_map(|_| number(files).map(Pick::File));
        let by_place = (0..PLACES).filter_map(|_| number(bytes).map(Pick::Byte));
        let mut picks: Vec<Pick> = by_number.chain(by_place).collect();
        picks.sort_unstable();
        picks.dedup();
        let (index, source) = (self.index.clone(), self.target.source);
        let picked = tokio::task::spawn_blocking(move || index.pick(&source, &picks));
        Ok(picked.await.expect("reading the index does not panic")?)
    }

    /// Restores `bytes` of a file from the place on that was picked. Whether they lie otherwise on the disk, if they
    /// could be compared; the inner error is the vault's.
    async fn restore(
        &self,
        prover: &Prover,
        picked: &Picked,
        bytes: u64,
        sums: &mut Sums,
    ) -> Result<Result<Option<bool>, Flaw>, EngineError> {
        let range = picked.at..picked.at.saturating_add(bytes);
        let mut file = match prover.file(&to_path(&picked.path)?, range).await? {
            Ok(file) => file,
            Err(flaw) => return Ok(Err(flaw)),
        };
        let mut disk = OnDisk::open(&self.target, picked).await;
        let mut restored = 0;
        while let Some(pieces) = file.next().await? {
            restored += pieces.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            disk = match disk {
                Some(disk) => disk.compare(pieces).await,
                None => None,
            };
        }
        if let Err(flaw) = file.finish() {
            return Ok(Err(flaw));
        }
        sums.files += 1;
        sums.bytes += restored;
        if disk.is_some() {
            sums.compared_bytes += restored;
        }
        Ok(Ok(disk.map(|disk| disk.differs)))
    }
}

/// What is restored of each file: a sample, and of one that is small enough everything.
fn with_one_whole(sample: Vec<Picked>) -> Vec<(Picked, u64)> {
    let is_small = |picked: &Picked| picked.at == 0 && picked.record.meta.size <= WHOLE_BYTES_MAX;
    let candidates: Vec<usize> = (0..sample.len()).filter(|place| is_small(&sample[*place])).collect();
    let chosen = random_u64().checked_rem(candidates.len() as u64);
    let whole = chosen.map(|chosen| candidates[chosen as usize]);
    let bytes = |place| if Some(place) == whole { WHOLE_BYTES_MAX } else { SAMPLE_BYTES };
    sample.into_iter().enumerate().map(|(place, picked)| (picked, bytes(place))).collect()
}

/// A file that is still the one that was backed up.
struct OnDisk {
    file: Arc<File>,
    meta: Meta,
    /// Some bytes were others, though the file is the same.
    differs: bool,
}

impl OnDisk {
    /// `None` if it changed since, or cannot be read: then there is nothing to compare with.
    async fn open(target: &Target, picked: &Picked) -> Option<Self> {
        let (target, picked) = (target.clone(), picked.clone());
        let open = move || {
            let root = Root::open(&target.path, target.exclude, &target.own).ok()?;
            // A pipe that took the file's place must not keep the agent waiting for a writer.
            let file = File::from(root.open_beneath(&picked.path, OFlags::RDONLY | OFlags::NONBLOCK).ok()?);
            let meta = Meta::from_stat(&fstat(&file).ok()?)?;
            picked.record.is_current(&meta).then(|| Self { file: Arc::new(file), meta, differs: false })
        };
        tokio::task::spawn_blocking(open).await.expect("reading does not panic")
    }

    /// `None` if it changes meanwhile, or cannot be read.
    async fn compare(mut self, pieces: Vec<(u64, Vec<u8>)>) -> Option<Self> {
        let compare = move || {
            for (at, bytes) in &pieces {
                self.differs |= !is_at(&self.file, *at, bytes).ok()?;
            }
            let stat = fstat(&*self.file).ok()?;
            (Meta::from_stat(&stat) == Some(self.meta)).then_some(self)
        };
        tokio::task::spawn_blocking(compare).await.expect("reading does not panic")
    }
}

fn is_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<bool> {
    let mut found = vec![0; bytes.len()];
    file.read_exact_at(&mut found, at)?;
    Ok(found == bytes)
}
