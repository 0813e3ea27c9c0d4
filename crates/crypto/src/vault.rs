//! A vault's keys. Each epoch has a random key and the keys derived from it; content stays deduplicated across epochs
//! because the keys that recognise chunks and cut files are those of epoch 1 for the vault's whole life.

use protocol::digest::{PREFIX, sha256};
use protocol::id::VaultId;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::hazmat::keyed_blake3;
use crate::secret::secret_key;

secret_key! {
    /// VK: 32 random bytes per vault and epoch.
    root VaultKey
}
secret_key! {
    /// BLAKE3 key of the local "was this chunk sealed before" index.
    FingerprintKey
}
secret_key! {
    /// BLAKE3 key that makes the chunker's SipHash keys.
    ChunkerKey
}
secret_key! {
    /// BLAKE3 key of a blob's synthetic IV.
    SivKey
}
secret_key! {
    /// What every blob's one-time key derives from.
    BlobKey
}
secret_key! {
    /// Seals the bodies of commits.
    CommitKey
}
secret_key! {
    /// Seals the caches that a client keeps on disk.
    IndexKey
}

impl VaultKey {
    /// What the signed account state says of this key, so that a server cannot substitute another.
    pub fn digest(&self, vault: VaultId, epoch: u32) -> [u8; 32] {
        sha256(&[PREFIX, b"vk\0", vault.as_bytes(), &epoch.to_be_bytes(), &self.0])
    }
}

/// The keys of one epoch.
pub struct EpochKeys {
    /// Makes synthetic IVs.
    pub siv: SivKey,
    /// Makes one-time keys.
    pub blob: BlobKey,
    /// Seals commits.
    pub commit: CommitKey,
    /// Seals caches.
    pub index: IndexKey,
}

/// All keys of a vault: those of the epochs 1, 2, … without a gap.
pub struct VaultKeys {
    vault: VaultId,
    fingerprint: FingerprintKey,
    chunker: ChunkerKey,
    epochs: Vec<EpochKeys>,
}

/// The secret half of the chunker: a SipHash-2-4 key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SipKeys {
    /// Its first half.
    pub k0: u64,
    /// Its second half.
    pub k1: u64,
}

impl VaultKeys {
    /// The keys of a vault of which only the first epoch exists.
    pub fn new(vault: VaultId, epoch_1: &VaultKey) -> Self {
        Self {
            vault,
            fingerprint: FingerprintKey::derive(&epoch_1.0, vault.as_bytes(), b"vault/fingerprint"),
            chunker: ChunkerKey::derive(&epoch_1.0, vault.as_bytes(), b"vault/chunker"),
            epochs: vec![EpochKeys::derive(vault, epoch_1)],
        }
    }

    /// The keys of a vault from those of all its epochs, in order; `None` without any.
    pub fn from_epochs(vault: VaultId, epochs: &[VaultKey]) -> Option<Self> {
        let (first, later) = epochs.split_first()?;
        let mut keys = Self::new(vault, first);
        for key in later {
            keys.push_epoch(key);
        }
        Some(keys)
    }

    /// Adds the key of the next epoch and returns its number.
    pub fn push_epoch(&mut self, key: &VaultKey) -> u32 {
        self.epochs.push(EpochKeys::derive(self.vault, key));
        self.newest().0
    }

    /// The vault they are the keys of.
    pub fn vault(&self) -> VaultId {
        self.vault
    }

    /// The epoch that everything new is sealed in, and its keys.
    pub fn newest(&self) -> (u32, &EpochKeys) {
        let keys = self.epochs.last().expect("a vault has at least one epoch");
        (u32::try_from(self.epochs.len()).expect("epochs are counted in 32 bits"), keys)
    }

    /// The keys of an epoch, if they are known.
    pub fn epoch(&self, epoch: u32) -> Option<&EpochKeys> {
        self.epochs.get(usize::try_from(epoch).ok()?.checked_sub(1)?)
    }

    /// The key behind [`VaultKeys::fingerprint`]; the same in every epoch.
    pub fn fingerprint_key(&self) -> &FingerprintKey {
        &self.fingerprint
    }

    /// The key behind [`VaultKeys::derive_sip_keys`]; the same in every epoch.
    pub fn chunker_key(&self) -> &ChunkerKey {
        &self.chunker
    }

    /// What the local index knows a chunk by.
    pub fn fingerprint(&self, chunk: &[u8]) -> [u8; 32] {
        keyed_blake3(&self.fingerprint.0, &[chunk])
    }

    /// The chunker's key.
    pub fn derive_sip_keys(&self) -> SipKeys {
        let mut bytes = keyed_blake3(&self.chunker.0, &[PREFIX, b"siphash"]);
        let word =
            |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("32 bytes hold two words"));
        let keys = SipKeys { k0: word(0), k1: word(8) };
        bytes.zeroize();
        keys
    }
}

impl EpochKeys {
    fn derive(vault: VaultId, key: &VaultKey) -> Self {
        Self {
            siv: SivKey::derive(&key.0, vault.as_bytes(), b"vault/siv"),
            blob: BlobKey::derive(&key.0, vault.as_bytes(), b"vault/blob"),
            commit: CommitKey::derive(&key.0, vault.as_bytes(), b"vault/commit"),
            index: IndexKey::derive(&key.0, vault.as_bytes(), b"vault/index"),
        }
    }
}
