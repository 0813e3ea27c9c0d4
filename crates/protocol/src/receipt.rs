//! Receipts: a node's signed word that it holds blobs durably.

use crate::blob_list::{StoredBlob, read_stored, stored_bytes};
use crate::bytes::{Base64, Reader};
use crate::grant::Operation;
use crate::id::{GrantId, IdError, NodeId, Pseudonym, StoreId};
use crate::limits::GROUP_BLOBS_MAX;
use crate::signature::{BadSignature, PublicKey, SigningKey, sign};

const VERSION: u8 = 1;
const LABEL: &str = "sig/receipt";

/// Why a receipt is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not a receipt of version 1.
    #[error("not a well-formed receipt")]
    Malformed,
    /// Signed by another key, or changed.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

impl From<IdError> for ReceiptError {
    fn from(_: IdError) -> Self {
        Self::Malformed
    }
}

/// A receipt's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The node that gives its word.
    pub node: NodeId,
    /// The store that the blobs are in.
    pub store: StoreId,
    /// The vault, by the name that the node knows it by.
    pub sub: Pseudonym,
    /// The grant that was used.
    pub grant: GrantId,
    /// What was done.
    pub op: Operation,
    /// When, on the node's clock, in Unix milliseconds.
    pub time_ms: u64,
    /// The blobs; only durable ones.
    pub blobs: Vec<StoredBlob>,
}

impl Receipt {
    /// Signs the receipt with the node's key.
    pub fn issue(&self, key: &SigningKey) -> Base64 {
        let count = u32::try_from(self.blobs.len()).expect("limited to GROUP_BLOBS_MAX");
        let mut out = vec![VERSION];
        out.extend(self.node.as_bytes());
        out.extend(self.store.as_bytes());
        out.extend(self.sub.as_bytes());
        out.extend(self.grant.as_bytes());
        out.push(self.op.to_byte());
        out.extend(self.time_ms.to_be_bytes());
        out.extend(count.to_be_bytes());
        out.extend(stored_bytes(&self.blobs));
        let signature = sign(key, LABEL, &out);
        out.extend(signature);
        Base64(out)
    }

    /// Reads a receipt without believing it: whose key must verify it is written inside.
    ///
    /// # Errors
    /// [`ReceiptError::Malformed`].
    pub fn parse(bytes: &Base64) -> Result<UnverifiedReceipt, ReceiptError> {
        let (unsigned, signature) = bytes.0.split_last_chunk::<64>().ok_or(ReceiptError::Malformed)?;
        let receipt = Self::parse_unsigned(unsigned)?.ok_or(ReceiptError::Malformed)?;
        Ok(UnverifiedReceipt { receipt, unsigned: unsigned.to_vec(), signature: *signature })
    }

    fn parse_unsigned(unsigned: &[u8]) -> Result<Option<Self>, ReceiptError> {
        let mut reader = Reader(unsigned);
        let Some([VERSION]) = reader.array() else { return Ok(None) };
        let mut fields = || -> Option<[[u8; 16]; 4]> {
            Some([reader.array()?, reader.array()?, reader.array()?, reader.array()?])
        };
        let Some([node, store, sub, grant]) = fields() else { return Ok(None) };
        let Some(op) = reader.u8().and_then(Operation::from_byte) else { return Ok(None) };
        let (Some(time_ms), Some(count)) = (reader.u64(), reader.u32()) else { return Ok(None) };
        let mut blobs = Vec::new();
        while !reader.is_empty() && blobs.len() < GROUP_BLOBS_MAX {
            let Some(Some(blob)) = read_stored(&mut reader) else { return Ok(None) };
            blobs.push(blob);
        }
        if !reader.is_empty() || blobs.len() != count as usize || blobs.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            node: NodeId::from_bytes(node)?,
            store: StoreId::from_bytes(store)?,
            sub: Pseudonym::from_bytes(sub)?,
            grant: GrantId::from_bytes(grant)?,
            op,
            time_ms,
            blobs,
        }))
    }
}

/// A receipt that anybody may have written.
#[derive(Debug)]
pub struct UnverifiedReceipt {
    receipt: Receipt,
    unsigned: Vec<u8>,
    signature: [u8; 64],
}

impl UnverifiedReceipt {
    /// The node that it claims to be from: whose key to verify it with.
    pub fn claimed_node(&self) -> NodeId {
        self.receipt.node
    }

    /// # Errors
    /// [`ReceiptError::Signature`] unless this key signed it.
    pub fn verify(self, key: &PublicKey) -> Result<Receipt, ReceiptError> {
        key.verify(LABEL, &self.unsigned, &self.signature)?;
        Ok(self.receipt)
    }
}
