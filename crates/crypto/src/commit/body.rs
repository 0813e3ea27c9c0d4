//! What every sealed body has in common: deterministic CBOR with a version, and agreement with the clear part.

use protocol::cbor::{CborError, Fields, Value};
use protocol::envelope::commit::Kind;
use protocol::id::IdError;

use super::{Purge, Settings, Snapshot, SourceSettings};

/// The version that bodies of this format carry.
const VERSION: u64 = 1;

/// What a commit says, once opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A snapshot of a source.
    Snapshot(Snapshot),
    /// A source takes no more snapshots.
    SourceClosed,
    /// The settings of the vault.
    Settings(Settings),
    /// Snapshots are kept no longer.
    Forget,
    /// Blobs are deleted for good.
    Purge(Purge),
    /// The settings of one source.
    SourceSettings(SourceSettings),
}

/// Why an opened body is unreadable. The commit keeps its place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Of a later version.
    #[error("version {version} is not known")]
    Version {
        /// The version it names.
        version: u64,
    },
    /// Not deterministic CBOR of this shape.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A field that must be an id is not.
    #[error(transparent)]
    Id(#[from] IdError),
    /// Well formed, but not allowed.
    #[error("breaks a rule: {0}")]
    Rule(&'static str),
}

impl Body {
    pub(super) fn decode(bytes: &[u8], kind: Kind) -> Result<Self, BodyError> {
        let (body, encoded) = match kind {
            Kind::Snapshot(flags) => {
                let body = Snapshot::decode(bytes)?;
                if body.partial != flags.partial {
                    return Err(BodyError::Rule("head and body disagree on whether the snapshot is partial"));
                }
                let encoded = body.encode();
                (Self::Snapshot(body), encoded)
            }
            Kind::SourceClosed => {
                read(bytes)?.finish()?;
                (Self::SourceClosed, encode_empty())
            }
            Kind::Forget => {
                read(bytes)?.finish()?;
                (Self::Forget, encode_empty())
            }
            Kind::Purge => {
                let body = Purge::decode(bytes)?;
                let encoded = body.encode();
                (Self::Purge(body), encoded)
            }
            Kind::SourceSettings => {
                let body = SourceSettings::decode(bytes)?;
                let encoded = body.encode();
                (Self::SourceSettings(body), encoded)
            }
            Kind::Settings => {
                let body = Settings::decode(bytes)?;
                let encoded = body.encode();
                (Self::Settings(body), encoded)
            }
        };
        // The formats write nothing for what is empty, zero or false; any other spelling of it is not theirs.
        if encoded == bytes { Ok(body) } else { Err(BodyError::Rule("not the one encoding of its content")) }
    }
}

/// The body of a commit that says nothing beyond its head.
pub(super) fn encode_empty() -> Vec<u8> {
    write(Vec::new(), &[])
}

/// The fields of a body of this version, the version taken out.
pub(super) fn read(bytes: &[u8]) -> Result<Fields, BodyError> {
    let mut fields = Value::decode(bytes)?.into_fields()?;
    match fields.need(0)?.into_u64()? {
        VERSION => Ok(fields),
        version => Err(BodyError::Version { version }),
    }
}

/// The encoding of a body: its version, the fields that are there, then those of later versions.
pub(super) fn write(fields: Vec<(u64, Option<Value>)>, extensions: &[(u64, Value)]) -> Vec<u8> {
    let version = (0, Some(Value::Uint(VERSION)));
    map(std::iter::once(version).chain(fields), extensions).encode()
}

/// A map of the fields that are there.
pub(super) fn map(
    fields: impl IntoIterator<Item = (u64, Option<Value>)>,
    extensions: &[(u64, Value)],
) -> Value {
    let present = fields.into_iter().filter_map(|(key, value)| Some((key, value?)));
    Value::Map(present.chain(extensions.iter().cloned()).collect())
}

/// `true`, or nothing.
pub(super) fn flag(set: bool) -> Option<Value> {
    set.then_some(Value::True)
}

/// An array, or nothing if it is empty.
pub(super) fn array(items: impl IntoIterator<Item = Value>) -> Option<Value> {
    let items: Vec<Value> = items.into_iter().collect();
    (!items.is_empty()).then_some(Value::Array(items))
}
