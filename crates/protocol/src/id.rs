//! Identifiers: fixed-length byte strings, one type each, written as lower-case hex.
//!
//! All zeros is never a valid id. Where a format uses zeros for "none", the field is an `Option`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text or byte string is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not the expected number of bytes, or not lower-case hex.
    #[error("expected {0} bytes as lower-case hex")]
    Malformed(usize),
    /// All zeros, which is never issued.
    #[error("all zeros is not an id")]
    Zero,
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])* $name:ident: $len:literal;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// # Errors
            /// [`IdError::Zero`] for all zeros.
            pub fn from_bytes(bytes: [u8; $len]) -> Result<Self, IdError> {
                if bytes == [0; $len] { Err(IdError::Zero) } else { Ok(Self(bytes)) }
            }

            /// # Errors
            /// [`IdError`] for another length or all zeros.
            pub fn from_slice(bytes: &[u8]) -> Result<Self, IdError> {
                Self::from_bytes(bytes.try_into().map_err(|_| IdError::Malformed($len))?)
            }

            /// For a fixed-length field in which zeros stand for "none".
            pub fn from_field(bytes: [u8; $len]) -> Option<Self> {
                Self::from_bytes(bytes).ok()
            }

            /// The field of an optional id: its bytes, or zeros.
            pub fn to_field(id: Option<Self>) -> [u8; $len] {
                id.map_or([0; $len], |id| id.0)
            }

            /// The id's bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first eight hex digits, for logs and screens; never for comparing.
            pub fn short(&self) -> String {
                hex::encode(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex::encode(self.0))
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut bytes = [0; $len];
                if text.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(IdError::Malformed($len));
                }
                hex::decode_to_slice(text, &mut bytes).map_err(|_| IdError::Malformed($len))?;
                Self::from_bytes(bytes)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                crate::schema::id($len, concat!($($doc),*))
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}
    )*};
}

ids! {
    /// A user's account.
    AccountId: 16;
    /// A vault: one log of commits, one set of keys.
    VaultId: 16;
    /// A source of snapshots in a vault: the browser's uploads, or a watched folder.
    SourceId: 16;
    /// An enrolled device.
    DeviceId: 16;
    /// One enrolment of a device.
    EnrolmentId: 16;
    /// An invitation to make an account.
    InvitationId: 16;
    /// A storage node.
    NodeId: 16;
    /// One store on one disk or cloud folder; a wiped node comes back with another.
    StoreId: 16;
    /// One start of a node's process.
    BootId: 16;
    /// An upload session.
    UploadId: 16;
    /// A group of blobs that goes to one set of nodes.
    GroupId: 16;
    /// The number of a grant, used once.
    GrantId: 16;
    /// What a node knows a vault by; another one on each node.
    Pseudonym: 16;
    /// Chosen by a client so that a repeated request has the effect of one.
    IdempotencyKey: 16;
    /// The number of one HTTP request, through all programs' logs.
    RequestId: 16;
    /// SHA-256 of a whole blob.
    BlobId: 32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_writes() {
        let id = VaultId::from_bytes([0xab; 16]).expect("not zero");
        assert_eq!(id.to_string(), "ab".repeat(16));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.short(), "abababab");
    }

    #[test]
    fn zeros_upper_case_and_other_lengths_are_refused() {
        assert_eq!("00".repeat(16).parse::<NodeId>(), Err(IdError::Zero));
        assert_eq!("AB".repeat(16).parse::<NodeId>(), Err(IdError::Malformed(16)));
        assert_eq!("ab".repeat(15).parse::<NodeId>(), Err(IdError::Malformed(16)));
        assert_eq!(NodeId::from_field([0; 16]), None);
        assert_eq!(NodeId::to_field(None), [0; 16]);
    }
}
