//! What a SEAL is bound to. One type per row of the format's table; each names the type byte, the type of key it is
//! sealed under, and the bytes of its context, so that no call can mix them.

use protocol::id::{AccountId, DeviceId, EnrolmentId, VaultId};
use protocol::messages::Direction;
use protocol::signature::PublicKey;

use crate::account::{AccountKey, WrapKey};
use crate::password::{Kdf, PasswordKek};
use crate::recovery::{RecoveryKek, RecoveryKey};
use crate::secret::{Secret, secret_key};
use crate::vault::{CommitKey, IndexKey, VaultKey};

mod private {
    pub trait Sealed {}
}

/// A row of the table. Implemented here only.
pub trait Context: private::Sealed {
    /// The type of key that seals it.
    type Key: Secret;
    /// The type byte.
    const TYPE: u8;

    /// The key epoch in the header: that of the vault's key, else 0.
    fn epoch(&self) -> u32 {
        0
    }

    /// An ASCII word, then fields of fixed length (a cache's name, the one exception, stands last).
    fn encode(&self) -> Vec<u8>;
}

/// A row whose content is a key.
pub trait KeyContext: Context {
    /// The type of key inside.
    type Content: Secret + for<'a> TryFrom<&'a [u8]>;
}

/// 0x01: the account key under the password.
#[derive(Debug, Clone, Copy)]
pub struct AccountByPassword {
    /// Whose key it is.
    pub account: AccountId,
    /// How the password became the key.
    pub kdf: Kdf,
}

/// 0x02: the account key under the recovery key.
#[derive(Debug, Clone, Copy)]
pub struct AccountByRecovery {
    /// Whose key it is.
    pub account: AccountId,
}

/// 0x03: a vault key of one epoch under the account.
#[derive(Debug, Clone, Copy)]
pub struct VaultOfAccount {
    /// Whose key it is.
    pub account: AccountId,
    /// The vault.
    pub vault: VaultId,
    /// The key epoch of the vault.
    pub epoch: u32,
}

/// 0x04: the recovery key under the account, so that it can be shown again.
#[derive(Debug, Clone, Copy)]
pub struct RecoveryOfAccount {
    /// Whose key it is.
    pub account: AccountId,
}

secret_key! {
    /// What an enrolled device and the account share, for the keys of its vaults.
    root DeviceWrapKey
}

/// 0x05: what a device needs to use a vault, under its wrap key.
#[derive(Debug, Clone, Copy)]
pub struct DeviceVaultKey {
    /// The enrolment that made the wrap key.
    pub enrolment: EnrolmentId,
    /// The device.
    pub device: DeviceId,
    /// The vault.
    pub vault: VaultId,
    /// The key epoch of the vault.
    pub epoch: u32,
    /// The device's Ed25519 key.
    pub device_public: PublicKey,
}

secret_key! {
    /// Seals a device's key store: 32 random bytes in the operating system's keyring, or in a file of its user alone.
    root DeviceStoreKey
}

/// 0x07: a device's key store.
#[derive(Debug, Clone, Copy)]
pub struct StoreOfDevice {
    /// The device.
    pub device: DeviceId,
}

/// 0x08: an enrolment and a device's wrap key, for the account's later use.
#[derive(Debug, Clone, Copy)]
pub struct DeviceWrapOfAccount {
    /// Whose device it is.
    pub account: AccountId,
    /// The device.
    pub device: DeviceId,
}

/// 0x20: the body of a commit.
#[derive(Debug, Clone, Copy)]
pub struct CommitBody<'a> {
    /// The commit's envelope up to the length of this SEAL.
    pub head: &'a [u8; 136],
    /// The key epoch of the vault.
    pub epoch: u32,
}

/// 0x21: a live message between web app and device.
#[derive(Debug, Clone, Copy)]
pub struct LiveMessage {
    /// The vault.
    pub vault: VaultId,
    /// The device that it is to, or from.
    pub device: DeviceId,
    /// Which way it goes.
    pub direction: Direction,
    /// The sender's Unix microseconds; the receiver takes each once, and none that is far off.
    pub counter: u64,
    /// The key epoch of the vault.
    pub epoch: u32,
}

/// 0x40: a cache that a client keeps on disk.
#[derive(Debug, Clone, Copy)]
pub struct Cache<'a> {
    /// The vault.
    pub vault: VaultId,
    /// Which cache.
    pub name: &'a str,
    /// The key epoch of the vault.
    pub epoch: u32,
}

macro_rules! context {
    ($row:ty: $kind:literal under $key:ty, |$it:ident| [$($part:expr),+] $(, epoch $epoch:expr)? $(, content $content:ty)?) => {
        impl private::Sealed for $row {}
        impl Context for $row {
            type Key = $key;
            const TYPE: u8 = $kind;
            $(fn epoch(&self) -> u32 {
                let $it = self;
                $epoch
            })?
            fn encode(&self) -> Vec<u8> {
                let $it = self;
                let parts: &[&[u8]] = &[$($part),+];
                parts.concat()
            }
        }
        $(impl KeyContext for $row {
            type Content = $content;
        })?
    };
}

context!(AccountByPassword: 0x01 under PasswordKek,
    |c| [b"account", c.account.as_bytes(), &[Kdf::ID], &c.kdf.iterations().to_be_bytes()], content AccountKey);
context!(AccountByRecovery: 0x02 under RecoveryKek, |c| [b"account", c.account.as_bytes()], content AccountKey);
context!(VaultOfAccount: 0x03 under WrapKey,
    |c| [b"vault", c.account.as_bytes(), c.vault.as_bytes(), &c.epoch.to_be_bytes()], epoch c.epoch, content VaultKey);
context!(RecoveryOfAccount: 0x04 under WrapKey, |c| [b"recovery", c.account.as_bytes()], content RecoveryKey);
context!(DeviceVaultKey: 0x05 under DeviceWrapKey,
    |c| [b"enrol", c.enrolment.as_bytes(), c.device.as_bytes(), c.vault.as_bytes(), &c.epoch.to_be_bytes(), c.device_public.as_bytes()],
    epoch c.epoch);
context!(StoreOfDevice: 0x07 under DeviceStoreKey, |c| [b"device", c.device.as_bytes()]);
context!(DeviceWrapOfAccount: 0x08 under WrapKey, |c| [b"device-wrap", c.account.as_bytes(), c.device.as_bytes()]);
context!(CommitBody<'_>: 0x20 under CommitKey, |c| [b"commit", c.head], epoch c.epoch);
context!(LiveMessage: 0x21 under CommitKey,
    |c| [b"message", c.vault.as_bytes(), c.device.as_bytes(), &[c.direction.to_byte()], &c.counter.to_be_bytes()],
    epoch c.epoch);
context!(Cache<'_>: 0x40 under IndexKey, |c| [b"cache", c.vault.as_bytes(), c.name.as_bytes()], epoch c.epoch);
