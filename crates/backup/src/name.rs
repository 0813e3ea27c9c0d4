//! The name of a directory entry: bytes, as the file system that it came from has them.
//!
//! Knows the rules of the format only. What a target system cannot store is for its restore to judge.

use std::fmt;

/// Components of a path at most; decoders refuse what lies deeper.
pub const PATH_DEPTH_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 255;

/// 1 to 255 bytes, not `.` or `..`, without `/` and NUL. Ordered by its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Vec<u8>);

/// The bytes are not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty, or more than 255 bytes.
    #[error("a name has 1 to 255 bytes, not {0}")]
    Length(usize),
    /// `.` or `..`.
    #[error("a name cannot be `.` or `..`")]
    Dots,
    /// A `/` or NUL.
    #[error("a name cannot contain `/` or NUL")]
    Separator,
}

impl Name {
    /// # Errors
    /// [`NameError`] if `bytes` are not a name.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, NameError> {
        let bytes = bytes.into();
        if bytes.is_empty() || bytes.len() > NAME_BYTES_MAX {
            return Err(NameError::Length(bytes.len()));
        }
        if bytes == b"." || bytes == b".." {
            return Err(NameError::Dots);
        }
        if bytes.iter().any(|byte| matches!(byte, b'/' | 0)) {
            return Err(NameError::Separator);
        }
        Ok(Self(bytes))
    }

    /// The name's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
