//! Objects in the node's folder: read, made, listed and removed, with repetitions. Blocks nobody but its own runtime.

use std::error::Error as _;
use std::ops::Range;
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use opendal::{EntryMode, ErrorKind, HttpTransporter, OperationContext, Operator};
use tokio::runtime::{Builder, Runtime};

use super::attempts::Attempts;
use super::error::CloudError;
use super::place::{CloudPlace, Provider};
use super::transport::{Transport, Wire};
use super::{dropbox, s3};

/// What a listing tells of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) len: u64,
}

/// What the provider tells of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) len: u64,
    /// The provider's hash of the content, if it gives one.
    pub(super) hash: Option<String>,
}

/// What became of an object that was to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    /// It is there as it was sent.
    New { hash: Option<String> },
    /// One with other content was there before, and still is.
    Exists,
}

/// The node's folder.
pub(super) struct Objects {
    shared: Arc<Shared>,
    /// Taken when dropped.
    runtime: Option<Runtime>,
}

struct Shared {
    operator: Operator,
    wire: Arc<Wire>,
    place: CloudPlace,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.shared.place)
    }
}

impl Objects {
    pub(super) fn open(place: CloudPlace) -> Result<Self, CloudError> {
        let wire = Arc::new(Wire::new(&place)?);
        let operator = match &place.provider {
            Provider::S3(s3) => s3::operator(s3, &place.prefix),
            Provider::Dropbox(_) => dropbox::operator(&place.prefix),
        };
        let transport = HttpTransporter::new(Transport(Arc::clone(&wire)));
        let context = OperationContext::new().with_http_transport(transport);
        let operator = operator.map_err(|error| CloudError::of(&error))?.with_context(context);
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("cloud").enable_all().build();
        let runtime = runtime.map_err(|error| CloudError::Unexpected(format!("no threads: {error}")))?;
        Ok(Self { shared: Arc::new(Shared { operator, wire, place }), runtime: Some(runtime) })
    }

    pub(super) fn place(&self) -> &CloudPlace {
        &self.shared.place
    }

    /// Exactly these bytes of an object; none if it is not there.
    pub(super) async fn read(&self, path: String, range: Range<u64>) -> Result<Option<Bytes>, CloudError> {
        self.run(move |shared| shared.read(path, range)).await
    }

    /// The same, for threads that may block.
    pub(super) fn read_blocking(&self, path: String, range: Range<u64>) -> Result<Option<Bytes>, CloudError> {
        self.wait(move |shared| shared.read(path, range))
    }

    /// Makes an object, unless there is one.
    pub(super) fn make(&self, path: String, bytes: Bytes) -> Result<Made, CloudError> {
        self.wait(move |shared| shared.make(path, bytes))
    }

    pub(super) fn stat(&self, path: String) -> Result<Option<Stat>, CloudError> {
        self.wait(move |shared| shared.stat(path))
    }

    /// Moves an object. One that is not there any more was moved before.
    pub(super) fn rename(&self, from: String, to: String) -> Result<(), CloudError> {
        self.wait(move |shared| shared.rename(from, to))
    }

    pub(super) fn remove(&self, path: String) -> Result<(), CloudError> {
        self.wait(move |shared| shared.remove(path))
    }

    /// The objects of a folder, which ends in a slash; nothing if it is not there.
    pub(super) fn list(&self, folder: &'static str) -> Result<Vec<Listed>, CloudError> {
        self.wait(move |shared| shared.list(folder))
    }

    /// Bytes that the account may use, and that it uses; none where the provider does not say.
    pub(super) fn space(&self) -> Result<Option<(u64, u64)>, CloudError> {
        self.wait(move |shared| async move {
            match &shared.place.provider {
                Provider::S3(_) => Ok(None),
                Provider::Dropbox(_) => dropbox::space(&shared.wire).await.map(Some),
            }
        })
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("taken only when dropped")
    }

    async fn run<T, F>(&self, work: impl FnOnce(Arc<Shared>) -> F) -> Result<T, CloudError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CloudError>> + Send + 'static,
    {
        let task = self.runtime().spawn(work(Arc::clone(&self.shared)));
        task.await.map_err(|_| stopped())?
    }

    fn wait<T, F>(&self, work: impl FnOnce(Arc<Shared>) -> F) -> Result<T, CloudError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, CloudError>> + Send + 'static,
    {
        let (done, answered) = mpsc::channel();
        let work = work(Arc::clone(&self.shared));
        self.runtime().spawn(async move { drop(done.send(work.await)) });
        answered.recv().map_err(|_| stopped())?
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // Dropping it would block, which threads of another runtime may not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    async fn read(self: Arc<Self>, path: String, range: Range<u64>) -> Result<Option<Bytes>, CloudError> {
        let mut attempts = self.attempts();
        loop {
            let read = self.operator.read_with(&path).range(range.clone()).await;
            let read = match read {
                Ok(bytes) => whole(bytes.to_bytes(), range.end - range.start),
                // So OpenDAL takes fewer bytes, or more.
                Err(error) if error.kind() == ErrorKind::Unexpected && error.source().is_none() => {
                    Err(CloudError::Network(error.message().to_owned()).into())
                }
                Err(error) => Err(error),
            };
            match attempts.judge(read).await {
                Some(Ok(bytes)) => return Ok(Some(bytes)),
                Some(Err(error)) => return none_if_missing(&error),
                None => {}
            }
        }
    }

    async fn make(self: Arc<Self>, path: String, bytes: Bytes) -> Result<Made, CloudError> {
        let _turn = self.wire.account.upload(self.place.patience.total).await?;
        let mut attempts = self.attempts();
        loop {
            let made = self.make_once(&path, &bytes).await;
            match attempts.judge(made).await {
                Some(Ok(hash)) => return Ok(Made::New { hash }),
                Some(Err(error)) => {
                    return match error.kind() {
                        ErrorKind::ConditionNotMatch | ErrorKind::AlreadyExists => Ok(Made::Exists),
                        _ => Err(CloudError::of(&error)),
                    };
                }
                None => {}
            }
        }
    }

    async fn make_once(&self, path: &str, bytes: &Bytes) -> opendal::Result<Option<String>> {
        match &self.place.provider {
            Provider::S3(_) => {
                let made = self.operator.write_with(path, bytes.clone()).if_not_exists(true).await?;
                Ok(made.etag().map(str::to_owned))
            }
            Provider::Dropbox(_) => {
                let made = self.operator.write(path, bytes.clone()).await?;
                let hash = dropbox::content_hash(bytes);
                if made.etag().is_some_and(|there| there != hash) {
                    return Err(CloudError::Unexpected("it stored something else".into()).into());
                }
                Ok(Some(hash))
            }
        }
    }

    async fn stat(self: Arc<Self>, path: String) -> Result<Option<Stat>, CloudError> {
        let mut attempts = self.attempts();
        loop {
            let found = self.stat_once(&path).await;
            match attempts.judge(found).await {
                Some(Ok(found)) => return Ok(found),
                Some(Err(error)) => return none_if_missing(&error),
                None => {}
            }
        }
    }

    async fn stat_once(&self, path: &str) -> opendal::Result<Option<Stat>> {
        match &self.place.provider {
            Provider::S3(_) => {
                let found = self.operator.stat(path).await?;
                Ok(Some(Stat { len: found.content_length(), hash: found.etag().map(str::to_owned) }))
            }
            Provider::Dropbox(_) => {
                let path = format!("/{}/{path}", self.place.prefix);
                let found = dropbox::metadata(&self.wire, &path).await?;
                Ok(found.map(|(len, hash)| Stat { len, hash }))
            }
        }
    }

    async fn rename(self: Arc<Self>, from: String, to: String) -> Result<(), CloudError> {
        let mut attempts = self.attempts();
        loop {
            let moved = self.rename_once(&from, &to).await;
            match attempts.judge(moved).await {
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) if error.kind() == ErrorKind::NotFound => return Ok(()),
                Some(Err(error)) => return Err(CloudError::of(&error)),
                None => {}
            }
        }
    }

    async fn rename_once(&self, from: &str, to: &str) -> opendal::Result<()> {
        match &self.place.provider {
            Provider::S3(_) => {
                self.operator.copy(from, to).await?;
                self.operator.delete(from).await
            }
            Provider::Dropbox(_) => self.operator.rename(from, to).await,
        }
    }

    async fn remove(self: Arc<Self>, path: String) -> Result<(), CloudError> {
        let mut attempts = self.attempts();
        loop {
            let removed = self.operator.delete(&path).await;
            if let Some(removed) = attempts.judge(removed).await {
                return removed.map_err(|error| CloudError::of(&error));
            }
        }
    }

    async fn list(self: Arc<Self>, folder: &str) -> Result<Vec<Listed>, CloudError> {
        let mut attempts = self.attempts();
        loop {
            let entries = self.operator.list(folder).await;
            match attempts.judge(entries).await {
                Some(Ok(entries)) => return Ok(entries.iter().filter_map(listed).collect()),
                Some(Err(error)) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
                Some(Err(error)) => return Err(CloudError::of(&error)),
                None => {}
            }
        }
    }

    fn attempts(&self) -> Attempts {
        Attempts::new(self.place.patience)
    }
}

/// A server may end early, or not know ranges.
fn whole(bytes: Bytes, len: u64) -> opendal::Result<Bytes> {
    if bytes.len() as u64 == len {
        return Ok(bytes);
    }
    Err(CloudError::Network(format!("{} bytes instead of {len}", bytes.len())).into())
}

fn none_if_missing<T>(error: &opendal::Error) -> Result<Option<T>, CloudError> {
    if error.kind() == ErrorKind::NotFound { Ok(None) } else { Err(CloudError::of(error)) }
}

fn listed(entry: &opendal::Entry) -> Option<Listed> {
    let is_file = entry.metadata().mode() == EntryMode::FILE;
    is_file.then(|| Listed { name: entry.name().to_owned(), len: entry.metadata().content_length() })
}

fn stopped() -> CloudError {
    CloudError::Unexpected("the store is closing".into())
}
