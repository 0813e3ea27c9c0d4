//! Deterministic CBOR of what holds keys: written and read without leaving copies of them behind.
//! The accepted bytes are the same as in `protocol::cbor`, whose values are not overwritten when dropped.

use core::convert::Infallible;

use minicbor::encode::Write;
use minicbor::{Decoder, Encoder};
use protocol::cbor::CborError;
use zeroize::Zeroizing;

use crate::enrolment::ChainPosition;
use crate::secret::Secret as _;
use crate::vault::VaultKey;

const INFALLIBLE: &str = "writing to memory does not fail";

/// Grows by moving into a larger buffer; the old one is overwritten.
struct Buffer(Zeroizing<Vec<u8>>);

impl Write for Buffer {
    type Error = Infallible;

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        let len = self.0.len() + bytes.len();
        if self.0.capacity() < len {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * len));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// Writes items one after the other.
pub(crate) struct Writer(Encoder<Buffer>);

impl Writer {
    /// A map with the keys 0 to `len - 1`, the version at 0. The other values follow, each by its key.
    pub(crate) fn map(len: u64, version: u64) -> Self {
        let mut writer = Self(Encoder::new(Buffer(Zeroizing::default())));
        writer.0.map(len).expect(INFALLIBLE);
        writer.uint(0).uint(version);
        writer
    }

    pub(crate) fn array(&mut self, len: usize) -> &mut Self {
        self.0.array(len as u64).expect(INFALLIBLE);
        self
    }

    pub(crate) fn uint(&mut self, value: u64) -> &mut Self {
        self.0.u64(value).expect(INFALLIBLE);
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.bytes(bytes).expect(INFALLIBLE);
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.0.str(text).expect(INFALLIBLE);
        self
    }

    /// `[[epoch, VK], ...]`, from epoch 1.
    pub(crate) fn vault_keys(&mut self, keys: &[VaultKey]) -> &mut Self {
        self.array(keys.len());
        for (epoch, key) in (1..).zip(keys) {
            self.array(2).uint(epoch).bytes(key.expose_secret());
        }
        self
    }

    /// `[seq, hash]`.
    pub(crate) fn position(&mut self, position: &ChainPosition) -> &mut Self {
        self.array(2).uint(position.seq).bytes(&position.hash)
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0.into_writer().0
    }
}

/// Reads items one after the other, in any spelling: [`accept`] refuses all but one.
pub(crate) struct Reader<'a>(Decoder<'a>);

impl<'a> Reader<'a> {
    /// Begins a map of [`Writer::map`].
    pub(crate) fn map(bytes: &'a [u8], len: u64, version: u64) -> Result<Self, CborError> {
        let mut reader = Self(Decoder::new(bytes));
        if !matches!(reader.0.map(), Ok(Some(found)) if found == len) {
            return Err(CborError("expected a map of another size"));
        }
        reader.key(0)?;
        if reader.uint()? == version { Ok(reader) } else { Err(CborError("another version")) }
    }

    pub(crate) fn key(&mut self, key: u64) -> Result<(), CborError> {
        if self.uint()? == key { Ok(()) } else { Err(CborError("another key than expected")) }
    }

    pub(crate) fn array(&mut self) -> Result<u64, CborError> {
        self.0.array().ok().flatten().ok_or(CborError("expected an array"))
    }

    pub(crate) fn tuple(&mut self, len: u64) -> Result<(), CborError> {
        if self.array()? == len { Ok(()) } else { Err(CborError("an array of another length")) }
    }

    pub(crate) fn uint(&mut self) -> Result<u64, CborError> {
        self.0.u64().map_err(|_| CborError("expected an unsigned integer"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        self.0.bytes().map_err(|_| CborError("expected a byte string"))
    }

    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        self.bytes()?.try_into().map_err(|_| CborError("a byte string of another length"))
    }

    /// A key, without a copy of it that would not be overwritten.
    pub(crate) fn secret<S: TryFrom<&'a [u8]>>(&mut self) -> Result<S, CborError> {
        self.bytes()?.try_into().map_err(|_| CborError("a key of another length"))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, CborError> {
        self.0.str().map_err(|_| CborError("expected a text"))
    }

    /// `[[epoch, VK], ...]`: from epoch 1, without a gap.
    pub(crate) fn vault_keys(&mut self) -> Result<Vec<VaultKey>, CborError> {
        let len = self.array()?;
        // Moved only while empty: a growing vector would leave copies of keys behind.
        let mut keys = Vec::with_capacity(usize::try_from(len).unwrap_or(0).min(EPOCHS_MAX));
        for epoch in 1..=len {
            self.tuple(2)?;
            if self.uint()? != epoch || keys.len() == EPOCHS_MAX {
                return Err(CborError("epochs count from 1 without a gap"));
            }
            keys.push(self.secret()?);
        }
        if keys.is_empty() { Err(CborError("a vault without a key")) } else { Ok(keys) }
    }

    /// `[seq, hash]`.
    pub(crate) fn position(&mut self) -> Result<ChainPosition, CborError> {
        self.tuple(2)?;
        Ok(ChainPosition { seq: self.uint()?, hash: self.fixed()? })
    }
}

/// Accepts bytes if and only if encoding what was read gives them again, so that nothing follows either.
pub(crate) fn accept(bytes: &[u8], encoded: &[u8]) -> Result<(), CborError> {
    if bytes == encoded { Ok(()) } else { Err(CborError("not the one encoding of its content")) }
}

/// More epochs than a vault reaches: each is a revocation.
const EPOCHS_MAX: usize = 1 << 16;
