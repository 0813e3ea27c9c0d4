//! The sealed body of a purge (kind 5): what a person deleted for good, so that old trees can say so.

use protocol::cbor::Value;
use protocol::id::SourceId;

use super::BodyError;
use super::body::{read, write};

/// What was deleted for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Where it was.
    pub paths: Vec<PurgedPath>,
    /// When, on the author's clock, in Unix milliseconds.
    pub purged_ms: u64,
    /// Fields of later versions, kept as they are.
    pub extensions: Vec<(u64, Value)>,
}

/// A path that was deleted for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgedPath {
    /// The source that had it.
    pub source: SourceId,
    /// The path in it.
    pub path: Vec<u8>,
}

impl Purge {
    pub(super) fn encode(&self) -> Vec<u8> {
        let paths = self.paths.iter().map(PurgedPath::to_value).collect();
        let fields = vec![(1, Some(Value::Array(paths))), (2, Some(Value::Uint(self.purged_ms)))];
        write(fields, &self.extensions)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut fields = read(bytes)?;
        let paths = fields.need(1)?.into_array()?;
        Ok(Self {
            paths: paths.into_iter().map(PurgedPath::from_value).collect::<Result<_, _>>()?,
            purged_ms: fields.need(2)?.into_u64()?,
            extensions: fields.finish()?,
        })
    }
}

impl PurgedPath {
    fn to_value(&self) -> Value {
        Value::Array(vec![Value::bytes(self.source.as_bytes()), Value::bytes(&self.path)])
    }

    fn from_value(value: Value) -> Result<Self, BodyError> {
        let [source, path] = value.into_tuple()?;
        Ok(Self { source: SourceId::from_bytes(source.into_byte_array()?)?, path: path.into_bytes()? })
    }
}
