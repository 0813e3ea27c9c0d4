//! The commitment at work: a ciphertext that plain AES-GCM opens under two keys, which SEAL opens under one only.
//!
//! The collision is that of Len, Grubbs and Ristenpart, "Partitioning Oracle Attacks" (USENIX Security 2021): GHASH is
//! linear in the ciphertext, so one free block makes the tags of two keys equal.

use aes_gcm::aes::Aes256;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit};

use super::*;
use crate::backend::compute;
use crate::hazmat;
use crate::recovery::RecoveryKey;
use protocol::id::AccountId;

/// Product in GCM's field, most significant bit first (NIST SP 800-38D, algorithm 1).
fn multiply(x: u128, y: u128) -> u128 {
    let (mut product, mut shifted) = (0, y);
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            product ^= shifted;
        }
        shifted = if shifted & 1 == 1 { shifted >> 1 ^ 0xe1 << 120 } else { shifted >> 1 };
    }
    product
}

/// x^(2^128 - 2), by Fermat.
fn invert(x: u128) -> u128 {
    let (mut power, mut product) = (x, 1 << 127);
    for _ in 1..128 {
        power = multiply(power, power);
        product = multiply(product, power);
    }
    product
}

fn encrypt_block(key: &OneTimeKey, block: u128) -> u128 {
    let mut block = block.to_be_bytes().into();
    Aes256::new(&key.key.into()).encrypt_block(&mut block);
    u128::from_be_bytes(block.into())
}

/// H, and the tag of one ciphertext block after `aad`.
fn hash_key_and_tag(key: &OneTimeKey, aad: &[u8], block: u128) -> (u128, u128) {
    let hash_key = encrypt_block(key, 0);
    let mut counter = [0; 16];
    counter[..12].copy_from_slice(&key.nonce);
    counter[15] = 1;
    let padded = aad.chunks(16).map(|chunk| {
        let mut block = [0; 16];
        block[..chunk.len()].copy_from_slice(chunk);
        u128::from_be_bytes(block)
    });
    let lengths = (aad.len() as u128 * 8) << 64 | 128;
    let hash = padded.chain([block, lengths]).fold(0, |hash, block| multiply(hash ^ block, hash_key));
    (hash_key, hash ^ encrypt_block(key, u128::from_be_bytes(counter)))
}

#[test]
fn a_ciphertext_of_two_keys_opens_under_the_one_it_commits_to() {
    let [kek, other_kek] = [[1; 32], [2; 32]].map(|bytes| RecoveryKey::from_bytes(bytes).derive_kek());
    let account = AccountByRecovery { account: AccountId::from_bytes([7; 16]).expect("not zeros") };
    let (head, context, salt) = (head(&account), account.encode(), [9; 32]);
    let [ours, theirs] = [&kek, &other_kek].map(|kek| Derived::new(kek, &salt, &head, &context));

    let prefix = [&head[..], &salt, &ours.commitment].concat();
    let aad = [&prefix[..], &length_prefixed(&context)].concat();
    let (h1, tag1) = hash_key_and_tag(&ours.key, &aad, 0);
    let (h2, tag2) = hash_key_and_tag(&theirs.key, &aad, 0);
    let block = multiply(tag1 ^ tag2, invert(multiply(h1, h1) ^ multiply(h2, h2)));
    let tag = hash_key_and_tag(&ours.key, &aad, block).1;
    let sealed = [block.to_be_bytes(), tag.to_be_bytes()].concat();

    // The attack is real: as plain AES-GCM, both keys open it.
    assert!(hazmat::decrypt(&ours.key, &aad, &sealed).is_ok());
    assert!(hazmat::decrypt(&theirs.key, &aad, &sealed).is_ok());

    let envelope = [prefix, sealed].concat();
    let backend = Backend::rust_crypto();
    assert!(compute(open(&backend, &kek, &account, &envelope)).is_ok());
    assert_eq!(compute(open(&backend, &other_kek, &account, &envelope)), Err(OpenError::Refused));
}
