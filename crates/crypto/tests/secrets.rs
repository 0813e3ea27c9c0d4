//! Secrets cannot be printed, copied, defaulted or serialised by accident, and raw ciphers stay in one file.
#![cfg(not(target_arch = "wasm32"))]

use std::fmt::{Debug, Display};
use std::path::Path;

use crypto::account::{AccountKey, WrapKey};
use crypto::device::{DeviceSeed, DeviceStore, DeviceWrap};
use crypto::enrolment::{EnrolmentCode, EnrolmentLink, EnrolmentSecret, ExchangeKey, VaultGrant};
use crypto::password::{AuthKey, Password, PasswordKek, PasswordKeys};
use crypto::recovery::{RecoveryAuthKey, RecoveryKek, RecoveryKey};
use crypto::seal::{DeviceStoreKey, DeviceWrapKey};
use crypto::sign::{DeviceKey, IdentityKey};
use crypto::vault::{
    BlobKey, ChunkerKey, CommitKey, EpochKeys, FingerprintKey, IndexKey, SipKeys, SivKey, VaultKey, VaultKeys,
};
use static_assertions::{assert_impl_all, assert_not_impl_any};

macro_rules! assert_secret {
    ($($secret:ty),+ $(,)?) => {
        $(assert_not_impl_any!($secret: Debug, Display, Clone, Copy, Default, serde::Serialize);)+
    };
}

assert_secret!(
    AccountKey,
    AuthKey,
    BlobKey,
    ChunkerKey,
    CommitKey,
    DeviceKey,
    DeviceSeed,
    DeviceStore,
    DeviceStoreKey,
    DeviceWrap,
    DeviceWrapKey,
    EnrolmentCode,
    EnrolmentLink,
    EnrolmentSecret,
    EpochKeys,
    ExchangeKey,
    FingerprintKey,
    IdentityKey,
    IndexKey,
    Password,
    PasswordKek,
    PasswordKeys,
    RecoveryAuthKey,
    RecoveryKek,
    RecoveryKey,
    SipKeys,
    SivKey,
    VaultGrant,
    VaultKey,
    VaultKeys,
    WrapKey,
);
macro_rules! assert_overwritten_when_dropped {
    ($($secret:ty),+ $(,)?) => {
        $(assert_impl_all!($secret: zeroize::ZeroizeOnDrop);)+
    };
}

assert_overwritten_when_dropped!(
    AccountKey,
    AuthKey,
    BlobKey,
    ChunkerKey,
    CommitKey,
    DeviceSeed,
    DeviceStoreKey,
    DeviceWrapKey,
    EnrolmentSecret,
    ExchangeKey,
    FingerprintKey,
    IndexKey,
    PasswordKek,
    RecoveryAuthKey,
    RecoveryKek,
    RecoveryKey,
    SipKeys,
    SivKey,
    VaultKey,
    WrapKey,
);
// A salt serves one envelope.
assert_not_impl_any!(crypto::Salt: Clone, Copy, Default);

#[test]
fn raw_ciphers_are_named_in_one_file() {
    let mut files = Vec::new();
    collect_sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 10, "the sources were not found");
    for (path, text) in files {
        let names_cipher = ["Aes256Gcm", "Hkdf::", "Hmac<", "new_keyed", "pbkdf2_hmac", "x25519_dalek"]
            .iter()
            .any(|name| text.contains(name));
        assert_eq!(names_cipher, path.ends_with("hazmat.rs"), "{}", path.display());
    }
}

fn collect_sources(folder: &Path, files: &mut Vec<(std::path::PathBuf, String)>) {
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect_sources(&path, files);
        } else {
            let text = std::fs::read_to_string(&path).expect("a source file");
            files.push((path, text));
        }
    }
}
