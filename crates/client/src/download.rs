//! Downloads: the bytes of one file, or of many as one archive.

use ::backup::{Entry, Node};
use async_stream::try_stream;
use futures_util::stream::{LocalBoxStream, Stream, StreamExt as _, TryStreamExt as _};

use crate::archive::Archive;
use crate::contents::{Part, Wanted, beneath, contents};
use crate::error::Error;
use crate::history::{Reading, SnapshotRef};
use crate::path::Path;
use crate::vault::Vault;

/// A file on its way back.
pub struct FileDownload {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// The bytes in order. The last ones come only after the hash of the whole file was found right.
    pub stream: LocalBoxStream<'static, Result<Vec<u8>, Error>>,
}

/// Files and folders on their way back as one zip archive, not compressed.
pub struct FolderDownload {
    /// The archive's name.
    pub name: String,
    /// The archive's bytes in order. It is complete, with its directory at the end, only if every file was right.
    pub stream: LocalBoxStream<'static, Result<Vec<u8>, Error>>,
}

impl Vault {
    /// Restores one file of a snapshot.
    ///
    /// # Errors
    /// [`Error::NotFound`] also for what is not a file; in the stream, [`Error::Unreadable`] and [`Error::Damaged`].
    pub async fn open_file<N: AsRef<[u8]>>(
        &self,
        snapshot: impl Into<SnapshotRef>,
        path: &[N],
    ) -> Result<FileDownload, Error> {
        let path = Path::parse(path)?;
        let snapshot = snapshot.into();
        let reading = self.reading(snapshot, &[Path::default()])?;
        let root = self.root(snapshot)?.ok_or_else(|| Error::NotFound(path.to_string()))?;
        let entry = self.entry(&root, &path).await?;
        let Node::File { size, .. } = entry.node else { return Err(Error::NotFound(path.to_string())) };
        let name = String::from_utf8_lossy(entry.name.as_bytes()).into_owned();
        let files = futures_util::stream::iter([Ok((path, entry).into())]);
        let parts = contents(self.fetcher().patient(), files);
        let mut parts = self.clone().explained(reading, parts).boxed_local();
        let stream = try_stream! {
            let mut held_back = Vec::new();
            while let Some(part) = parts.try_next().await? {
                match part {
                    Part::Begin { .. } | Part::Kept(_) => {}
                    Part::Data(data) => {
                        let before = std::mem::replace(&mut held_back, data);
                        if !before.is_empty() {
                            yield before;
                        }
                    }
                    Part::Failed(error) => Err(error)?,
                    Part::End => yield std::mem::take(&mut held_back),
                }
            }
        };
        Ok(FileDownload { name, size, stream: stream.boxed_local() })
    }

    /// Restores files and folders of a snapshot as one zip archive; the root's path stands for all of it. What was
    /// deleted for good is left out.
    ///
    /// # Errors
    /// [`Error::NotFound`] if one of them is not there; in the stream as [`Vault::open_file`].
    pub async fn open_zip<N: AsRef<[u8]>>(
        &self,
        snapshot: impl Into<SnapshotRef>,
        paths: &[Vec<N>],
    ) -> Result<FolderDownload, Error> {
        let snapshot = snapshot.into();
        let paths = paths.iter().map(|path| Path::parse(path)).collect::<Result<Vec<_>, _>>()?;
        let reading = self.reading(snapshot, &paths)?;
        let mut entries = Vec::new();
        for path in &paths {
            entries.extend(self.selected(snapshot, path).await?);
        }
        let name = match &entries[..] {
            [only] => format!("{}.zip", String::from_utf8_lossy(only.name.as_bytes())),
            _ => "triplicate.zip".to_owned(),
        };
        let entries = beneath(self.fetcher().patient(), entries);
        let parts = contents(self.fetcher().patient(), entries.map_ok(Wanted::from));
        let mut parts = self.clone().explained(reading, parts).boxed_local();
        let stream = try_stream! {
            let mut archive = Archive::new();
            // A file begins with its first bytes, so that one whose bytes are deleted for good can be left out.
            let mut file: Option<(Path, Box<Entry>)> = None;
            while let Some(part) = parts.try_next().await? {
                match part {
                    Part::Begin { path, entry } if matches!(entry.node, Node::File { .. }) => {
                        file = Some((path, entry));
                    }
                    Part::Begin { path, entry } => archive.begin(&path, &entry)?,
                    Part::Failed(Error::Purged(_)) if file.take().is_some() => {}
                    Part::Failed(error) => Err(error)?,
                    Part::Data(_) | Part::Kept(_) | Part::End => {
                        if let Some((path, entry)) = file.take() {
                            archive.begin(&path, &entry)?;
                        }
                        if let Part::Data(data) = part {
                            archive.write(&data)?;
                        }
                    }
                }
                let bytes = archive.take();
                if !bytes.is_empty() {
                    yield bytes;
                }
            }
            yield archive.finish()?;
        };
        Ok(FolderDownload { name, stream: stream.boxed_local() })
    }

    /// The same parts, of which those that failed say what it means.
    fn explained(
        self,
        reading: Option<Reading>,
        parts: impl Stream<Item = Result<Part, Error>>,
    ) -> impl Stream<Item = Result<Part, Error>> {
        let mut file = None;
        parts.then(move |part| {
            if let Ok(Part::Begin { path, .. }) = &part {
                file = Some(path.clone());
            }
            let (vault, reading, file) = (self.clone(), reading.clone(), file.clone());
            async move {
                match (part, reading) {
                    (Ok(Part::Failed(error)), Some(reading)) => {
                        Ok(Part::Failed(vault.explain(&reading, file.as_ref(), error).await))
                    }
                    (Err(error), Some(reading)) => Err(vault.explain(&reading, None, error).await),
                    (part, _) => part,
                }
            }
        })
    }
}
