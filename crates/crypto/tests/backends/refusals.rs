//! What must not open, on every backend: one error for every kind of damage and every wrong key or context.

use crate::support::on_every_backend;
use crypto::account::AccountKey;
use crypto::blob::{BlobKind, Frame, open_blob, seal_blob};
use crypto::recovery::{RecoveryKek, RecoveryKey};
use crypto::seal::{self, AccountByRecovery, Cache, RecoveryOfAccount, VaultOfAccount};
use crypto::vault::{VaultKey, VaultKeys};
use crypto::{Backend, OpenError, Salt};
use protocol::id::{AccountId, BlobId, VaultId};

on_every_backend!(
    a_wrapped_key_with_any_bit_flipped,
    a_wrapped_key_cut_short_or_made_longer,
    a_seal_with_any_other_byte_in_its_head,
    another_key_or_context,
    a_key_of_another_length,
    a_blob_with_any_bit_flipped,
    a_blob_of_another_id_kind_vault_or_epoch,
    large_and_small_hashes,
);

fn account(byte: u8) -> AccountId {
    AccountId::from_bytes([byte; 16]).expect("not zeros")
}

fn vault(byte: u8) -> VaultId {
    VaultId::from_bytes([byte; 16]).expect("not zeros")
}

fn salt() -> Salt {
    Salt::from_random([42; 32])
}

fn recovery_kek(byte: u8) -> RecoveryKek {
    RecoveryKey::from_bytes([byte; 32]).derive_kek()
}

fn vault_keys(vault_byte: u8, epochs: &[u8]) -> VaultKeys {
    let mut keys = VaultKeys::new(vault(vault_byte), &VaultKey::from_bytes([epochs[0]; 32]));
    for byte in &epochs[1..] {
        keys.push_epoch(&VaultKey::from_bytes([*byte; 32]));
    }
    keys
}

/// The account key 5… under the recovery key 1… of account 7….
async fn wrapped_account_key(backend: &Backend) -> Vec<u8> {
    let context = AccountByRecovery { account: account(7) };
    seal::wrap(backend, &recovery_kek(1), &context, &AccountKey::from_bytes([5; 32]), salt())
        .await
        .expect("sealed")
}

async fn assert_refused(backend: &Backend, wrapped: &[u8], what: &str) {
    let context = AccountByRecovery { account: account(7) };
    let opened = seal::open(backend, &recovery_kek(1), &context, wrapped).await;
    assert_eq!(opened, Err(OpenError::Refused), "{what}");
}

async fn a_wrapped_key_with_any_bit_flipped(backend: Backend) {
    let wrapped = wrapped_account_key(&backend).await;
    let context = AccountByRecovery { account: account(7) };
    assert!(seal::unwrap(&backend, &recovery_kek(1), &context, &wrapped).await.is_ok());
    for bit in 0..wrapped.len() * 8 {
        let mut damaged = wrapped.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_refused(&backend, &damaged, &format!("bit {bit}")).await;
    }
}

async fn a_wrapped_key_cut_short_or_made_longer(backend: Backend) {
    let wrapped = wrapped_account_key(&backend).await;
    for len in 0..wrapped.len() {
        assert_refused(&backend, &wrapped[..len], &format!("the first {len} bytes")).await;
    }
    assert_refused(&backend, &[&wrapped[..], &[0]].concat(), "one byte more").await;
}

async fn a_seal_with_any_other_byte_in_its_head(backend: Backend) {
    let wrapped = wrapped_account_key(&backend).await;
    for at in 0..12 {
        for byte in (0..=255).filter(|byte| *byte != wrapped[at]) {
            let mut damaged = wrapped.clone();
            damaged[at] = byte;
            assert_refused(&backend, &damaged, &format!("byte {at} = {byte}")).await;
        }
    }
}

async fn another_key_or_context(backend: Backend) {
    let kek = recovery_kek(1);
    let wrapped = wrapped_account_key(&backend).await;
    let other_key =
        seal::open(&backend, &recovery_kek(2), &AccountByRecovery { account: account(7) }, &wrapped).await;
    let other_account =
        seal::open(&backend, &kek, &AccountByRecovery { account: account(8) }, &wrapped).await;
    assert_eq!([other_key, other_account], [Err(OpenError::Refused), Err(OpenError::Refused)]);

    let wrap_key = AccountKey::from_bytes([5; 32]).derive_wrap_key();
    let right = VaultOfAccount { account: account(7), vault: vault(8), epoch: 1 };
    let key = VaultKey::from_bytes([6; 32]);
    let wrapped = seal::wrap(&backend, &wrap_key, &right, &key, salt()).await.expect("sealed");
    assert!(seal::unwrap(&backend, &wrap_key, &right, &wrapped).await.is_ok_and(|opened| opened == key));
    for wrong in [
        VaultOfAccount { account: account(9), ..right },
        VaultOfAccount { vault: vault(9), ..right },
        VaultOfAccount { epoch: 2, ..right },
    ] {
        assert_eq!(
            seal::open(&backend, &wrap_key, &wrong, &wrapped).await,
            Err(OpenError::Refused),
            "{wrong:?}"
        );
    }
    let other_type =
        seal::open(&backend, &wrap_key, &RecoveryOfAccount { account: account(7) }, &wrapped).await;
    assert_eq!(other_type, Err(OpenError::Refused));
}

/// The type of the envelope and its content are right, but no key has 31 bytes.
async fn a_key_of_another_length(backend: Backend) {
    let (kek, context) = (recovery_kek(1), AccountByRecovery { account: account(7) });
    let sealed = seal::seal(&backend, &kek, &context, &[5; 31], salt()).await.expect("sealed");
    assert!(seal::open(&backend, &kek, &context, &sealed).await.is_ok());
    assert!(
        seal::unwrap(&backend, &kek, &context, &sealed).await.is_err_and(|error| error == OpenError::Refused)
    );
}

async fn a_blob_with_any_bit_flipped(backend: Backend) {
    let keys = vault_keys(8, &[1]);
    let frame = Frame::stored(BlobKind::Chunk, b"content").expect("it fits");
    let blob = seal_blob(&backend, &keys, frame).await.expect("sealed");
    // Every bit of the head, then one in a hundred, under the id that the damaged blob really has.
    for bit in (0..48 * 8).chain((48 * 8..blob.bytes.len() * 8).step_by(101)) {
        let mut damaged = blob.bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let its_id = BlobId::from_bytes(backend.sha256(&damaged).await.expect("hashed")).expect("not zeros");
        for id in [blob.id, its_id] {
            let opened = open_blob(&backend, &keys, &id, &damaged, &[BlobKind::Chunk]).await;
            assert_eq!(opened, Err(OpenError::Refused), "bit {bit}");
        }
    }
}

async fn a_blob_of_another_id_kind_vault_or_epoch(backend: Backend) {
    let keys = vault_keys(8, &[1, 2]);
    let frame = Frame::stored(BlobKind::Directory, b"content").expect("it fits");
    let blob = seal_blob(&backend, &keys, frame).await.expect("sealed");
    let directory = [BlobKind::PageIndex, BlobKind::Directory];
    assert!(open_blob(&backend, &keys, &blob.id, &blob.bytes, &directory).await.is_ok());

    let other_id = BlobId::from_bytes([1; 32]).expect("not zeros");
    let refused = [
        open_blob(&backend, &keys, &other_id, &blob.bytes, &directory).await,
        open_blob(&backend, &keys, &blob.id, &blob.bytes, &[BlobKind::Chunk, BlobKind::ChunkList]).await,
        open_blob(&backend, &vault_keys(9, &[1, 2]), &blob.id, &blob.bytes, &directory).await,
        open_blob(&backend, &vault_keys(8, &[1, 3]), &blob.id, &blob.bytes, &directory).await,
        open_blob(&backend, &vault_keys(8, &[1]), &blob.id, &blob.bytes, &directory).await,
        open_blob(&backend, &keys, &blob.id, &[], &directory).await,
    ];
    for (case, opened) in refused.into_iter().enumerate() {
        assert_eq!(opened, Err(OpenError::Refused), "case {case}");
    }
}

/// Around the size from which the browser hashes; and an empty, a small and a large content seal and open.
async fn large_and_small_hashes(backend: Backend) {
    for len in [0, 1, 16_383, 16_384, 16_385, 1 << 20] {
        let plaintext: Vec<u8> = (0..len).map(|at: usize| (at % 251) as u8).collect();
        let expected = protocol::digest::sha256(&[&plaintext]);
        assert_eq!(backend.sha256(&plaintext).await, Ok(expected), "{len} bytes");

        let keys = vault_keys(8, &[1]);
        let context = Cache { vault: vault(8), name: "files", epoch: 1 };
        let index = &keys.epoch(1).expect("known").index;
        let sealed = seal::seal(&backend, index, &context, &plaintext, salt()).await.expect("sealed");
        assert_eq!(sealed.len(), plaintext.len() + seal::OVERHEAD);
        let opened = seal::open(&backend, index, &context, &sealed).await.expect("opened");
        assert!(*opened == plaintext, "{len} bytes");
    }
}
