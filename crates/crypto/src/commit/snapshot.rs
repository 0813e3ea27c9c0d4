//! The sealed body of a snapshot (kind 1).

use protocol::cbor::Value;
use protocol::envelope::EnvelopeHash;
use protocol::envelope::account_state::AccountState;
use protocol::id::BlobId;

use super::BodyError;
use super::body::{flag, read, write};

/// What a snapshot says of the tree it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The directory blob of the tree's root.
    pub root: BlobId,
    /// When it was made, on the author's clock, in Unix milliseconds.
    pub created_ms: u64,
    /// What a person called it.
    pub label: Option<String>,
    /// Files in the tree.
    pub files: u64,
    /// Bytes in the tree, before compression and deduplication.
    pub bytes: u64,
    /// Program and version that made it.
    pub client: String,
    /// Files that could not be read.
    pub unreadable_files: u64,
    /// Hash of the account state that the head names by number.
    pub account_state: EnvelopeHash,
    /// A first backup that is still under way.
    pub partial: bool,
    /// Fields of later versions, kept as they are.
    pub extensions: Vec<(u64, Value)>,
}

impl Snapshot {
    /// Checks that the author meant the account state by which the commit was verified.
    pub fn check_account_state(&self, state: &AccountState) -> Result<(), BodyError> {
        if self.account_state == state.hash {
            Ok(())
        } else {
            Err(BodyError::Rule("head and body disagree on the account state"))
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let fields = vec![
            (1, Some(Value::bytes(self.root.as_bytes()))),
            (2, Some(Value::Uint(self.created_ms))),
            (3, self.label.clone().map(Value::Text)),
            (4, Some(Value::Uint(self.files))),
            (5, Some(Value::Uint(self.bytes))),
            (6, Some(Value::Text(self.client.clone()))),
            (7, (self.unreadable_files > 0).then_some(Value::Uint(self.unreadable_files))),
            (8, Some(Value::bytes(self.account_state))),
            (9, flag(self.partial)),
        ];
        write(fields, &self.extensions)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut fields = read(bytes)?;
        Ok(Self {
            root: BlobId::from_bytes(fields.need(1)?.into_byte_array()?)?,
            created_ms: fields.need(2)?.into_u64()?,
            label: fields.take(3).map(Value::into_text).transpose()?,
            files: fields.need(4)?.into_u64()?,
            bytes: fields.need(5)?.into_u64()?,
            client: fields.need(6)?.into_text()?,
            unreadable_files: fields.take(7).map_or(Ok(0), Value::into_u64)?,
            account_state: fields.need(8)?.into_byte_array()?,
            partial: fields.flag(9)?,
            extensions: fields.finish()?,
        })
    }
}
