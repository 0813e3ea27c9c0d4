//! Proving that a snapshot can be restored: its files are read as by a device that knows nothing of it yet. Every
//! folder, list and chunk comes from the nodes, and is verified and opened as in any restore.

use std::collections::VecDeque;
use std::ops::Range;

use ::backup::{Entry, FilePlan, FileVerifier, Node, Piece, TreeError, find, plan_file};
use crypto::blob::BlobKind;
use protocol::blob_list::unpack_stored;
use protocol::id::{BlobId, SourceId};

use crate::contents::fetch_chunks;
use crate::error::Error;
use crate::fetch::Fetcher;
use crate::path::Path;
use crate::vault::Vault;

/// Bytes that are fetched at a time, or one chunk.
const WINDOW_BYTES: u64 = 4 << 20;

/// What is wrong with a file in the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// For a person.
    pub reason: String,
    /// What no node gives any more.
    pub blobs: Vec<BlobId>,
    /// A folder above the file is lost, and with it perhaps all that is in it.
    pub in_tree: bool,
}

/// Reads a source's newest snapshot of now, whatever is committed meanwhile.
pub struct Prover {
    vault: Vault,
    fetcher: Fetcher,
    root: BlobId,
}

impl Vault {
    /// Begins to prove a source's newest snapshot; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::NotFound`] never, for the newest.
    pub fn prover(&self, source: SourceId) -> Result<Option<Prover>, Error> {
        // What this program wrote is in the memory of the vault's own fetcher, and would prove nothing.
        let fetcher = Fetcher::new(self.client().clone(), self.key_ring().clone());
        let root = self.root(source.into())?;
        Ok(root.map(|root| Prover { vault: self.clone(), fetcher, root }))
    }

    /// Tells the coordinator that a sample of the source was restored and found right.
    ///
    /// # Errors
    /// Those of the coordinator; an appending device may say so of its own sources alone.
    pub async fn report_proof(&self, source: SourceId) -> Result<(), Error> {
        self.client().prove_source(self.id(), source).await
    }
}

impl Prover {
    /// Begins to restore a file, or what of it lies in `range`. The inner error is the file's own.
    ///
    /// # Errors
    /// If it cannot be told whether the file is there: somebody does not answer.
    pub async fn file(&self, path: &Path, range: Range<u64>) -> Result<Result<FileProof<'_>, Flaw>, Error> {
        let entry = match find(&self.fetcher, &self.root, path.names()).await {
            Ok(entry) => entry,
            Err(error) => return Ok(Err(self.flaw(error, true).await?)),
        };
        let Some(Entry { node: Node::File { size, content, hash, .. }, .. }) = entry else {
            let reason = "it is not in the newest snapshot".to_owned();
            return Ok(Err(Flaw { reason, blobs: Vec::new(), in_tree: true }));
        };
        let plan = match plan_file(&self.fetcher, size, &content).await {
            Ok(plan) => plan,
            Err(error) => return Ok(Err(self.flaw(error, false).await?)),
        };
        let is_whole = range.start == 0 && range.end >= size;
        let (inline, pieces) = match plan {
            FilePlan::Inline(bytes) => (Some(bytes), VecDeque::new()),
            FilePlan::Chunks(pieces) => (None, pieces.into_iter().filter(|it| meets(it, &range)).collect()),
        };
        let verifier = is_whole.then(|| FileVerifier::new(size, hash));
        Ok(Ok(FileProof { prover: self, inline, pieces, verifier, lost: Vec::new() }))
    }

    /// What a tree that cannot be read says about a file, unless it is only out of reach.
    async fn flaw(&self, error: TreeError<Error>, in_tree: bool) -> Result<Flaw, Error> {
        let blobs = match &error {
            TreeError::Read { id, source: Error::Unreadable(_) } => {
                self.check_lost(*id).await?;
                vec![*id]
            }
            TreeError::Read { .. } => return Err(error.into()),
            TreeError::Malformed { id, .. } => vec![*id],
            _ => Vec::new(),
        };
        Ok(Flaw { reason: Error::from(error).to_string(), blobs, in_tree })
    }

    /// A blob did not come. Returns if it is lost: every node that should have it answers, and none gives it.
    async fn check_lost(&self, id: BlobId) -> Result<(), Error> {
        let client = self.vault.client();
        for group in client.locate(self.vault.id(), &[id]).await?.groups {
            let blobs = unpack_stored(&group.blobs).map_err(|error| Error::untrusted(error.to_string()))?;
            let [blob] = &blobs[..] else { return Err(Error::untrusted("more blobs than were asked for")) };
            for replica in &group.replicas {
                let Ok(answer) = client.read_blob(replica, blob).await else {
                    return Err(Error::Unreadable(id));
                };
                let Some(bytes) = answer else { continue };
                if self.fetcher.open(id, bytes, &BlobKind::ALL).await.is_some() {
                    return Err(Error::Unreadable(id));
                }
            }
        }
        Ok(())
    }
}

fn meets(piece: &Piece, range: &Range<u64>) -> bool {
    piece.offset < range.end && piece.offset + u64::from(piece.raw_len) > range.start
}

/// A file on its way back.
pub struct FileProof<'a> {
    prover: &'a Prover,
    inline: Option<Vec<u8>>,
    /// Still to be fetched.
    pieces: VecDeque<Piece>,
    /// If all of it comes.
    verifier: Option<FileVerifier>,
    lost: Vec<BlobId>,
}

impl FileProof<'_> {
    /// The next bytes, each with its place in the file; none at the end. What is lost is left out, and noted.
    ///
    /// # Errors
    /// If it cannot be told whether they are there.
    pub async fn next(&mut self) -> Result<Option<Vec<(u64, Vec<u8>)>>, Error> {
        if let Some(bytes) = self.inline.take() {
            self.verify(&bytes);
            return Ok(Some(vec![(0, bytes)]));
        }
        let window = self.window();
        if window.is_empty() {
            return Ok(None);
        }
        let ids: Vec<BlobId> = window.iter().map(|piece| piece.id).collect();
        let chunks = fetch_chunks(&self.prover.fetcher, &ids).await?;
        let mut out = Vec::with_capacity(window.len());
        for (piece, chunk) in window.into_iter().zip(chunks) {
            match chunk {
                Ok(bytes) if bytes.len() != piece.raw_len as usize => {
                    return Err(Error::untrusted("a chunk of another length than its file says"));
                }
                Ok(bytes) => {
                    self.verify(&bytes);
                    out.push((piece.offset, bytes));
                }
                Err(Error::Unreadable(id)) => {
                    self.prover.check_lost(id).await?;
                    self.lost.push(id);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(out))
    }

    /// Whether all that was asked for came, and is right.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn finish(self) -> Result<(), Flaw> {
        let Self { lost, verifier, .. } = self;
        let flaw = |reason: String, blobs| Flaw { reason, blobs, in_tree: false };
        if let Some(first) = lost.first() {
            return Err(flaw(Error::Unreadable(*first).to_string(), lost));
        }
        let verified = verifier.map_or(Ok(()), FileVerifier::finish);
        verified.map_err(|error| flaw(error.to_string(), Vec::new()))
    }

    fn window(&mut self) -> Vec<Piece> {
        let mut bytes = 0;
        let mut window = Vec::new();
        while let Some(piece) = self.pieces.front() {
            bytes += u64::from(piece.raw_len);
            if !window.is_empty() && bytes > WINDOW_BYTES {
                break;
            }
            window.extend(self.pieces.pop_front());
        }
        window
    }

    fn verify(&mut self, bytes: &[u8]) {
        if let Some(verifier) = &mut self.verifier {
            // Too many bytes leave the verifier in a state that its end refuses.
            let _ = verifier.update(bytes);
        }
    }
}
