//! What only the inside can show: frames that no writer of ours makes, and the keys and nonces that frames get.

use std::collections::HashMap;

use super::*;
use crate::backend::compute;
use crate::vault::VaultKey;

fn vault_keys() -> VaultKeys {
    let vault = VaultId::from_bytes(std::array::from_fn(|at| at as u8 + 16)).expect("not zeros");
    VaultKeys::new(vault, &VaultKey::from_bytes(protocol::digest::sha256(&[b"test vault key"])))
}

/// A frame that says what it is told to, padded with `padding` to `len` bytes.
fn raw_frame(
    kind: u8,
    codec: u8,
    raw_len: u32,
    body_len: u32,
    body: &[u8],
    padding: u8,
    len: usize,
) -> Vec<u8> {
    let mut frame = vec![kind, codec];
    frame.extend(raw_len.to_be_bytes());
    frame.extend(body_len.to_be_bytes());
    frame.extend(body);
    frame.resize(len, padding);
    frame
}

fn seal_raw(frame: &[u8]) -> SealedBlob {
    let bytes = [&[0; PREFIX_LEN], frame].concat();
    compute(seal_in_place(&Backend::rust_crypto(), &vault_keys(), bytes)).expect("RustCrypto does not fail")
}

fn open(blob: &SealedBlob) -> Result<OpenedFrame, OpenError> {
    compute(open_blob(&Backend::rust_crypto(), &vault_keys(), &blob.id, &blob.bytes, &[BlobKind::Chunk]))
}

#[test]
fn blobs_that_authenticate_but_hold_a_wrong_frame_are_refused() {
    let raw = b"hello chunk ".repeat(1000);
    let padded = crate::padding::padded_len(10 + raw.len());
    let golden = seal_raw(&raw_frame(0x10, 0, 12_000, 12_000, &raw, 0, padded));
    assert!(open(&golden).is_ok());

    // Ids from the golden vectors, `blobs_to_reject`.
    let unknown_codec = seal_raw(&raw_frame(0x10, 9, 12_000, 12_000, &raw, 0, padded));
    let padding_not_zero = seal_raw(&raw_frame(0x10, 0, 12_000, 12_000, &raw, 1, padded));
    let golden: serde_json::Value = serde_json::from_str(include_str!("../../tests/golden/v1/vectors.json"))
        .expect("the golden file is JSON");
    assert_eq!(golden["blobs_to_reject"]["codec_9"], unknown_codec.id.to_string());
    assert_eq!(golden["blobs_to_reject"]["padding_not_zero"], padding_not_zero.id.to_string());

    let refused = [
        ("unknown codec", unknown_codec),
        ("padding not zero", padding_not_zero),
        ("unknown kind", seal_raw(&raw_frame(0x14, 0, 12_000, 12_000, &raw, 0, padded))),
        ("padded too far", seal_raw(&raw_frame(0x10, 0, 12_000, 12_000, &raw, 0, padded + 256))),
        ("not padded far enough", seal_raw(&raw_frame(0x10, 0, 12_000, 12_000, &raw, 0, padded - 1))),
        ("stored, of another length", seal_raw(&raw_frame(0x10, 0, 12_001, 12_000, &raw, 0, padded))),
        ("more than a blob holds", seal_raw(&raw_frame(0x10, 1, (4 << 20) + 1, 12_000, &raw, 0, padded))),
        ("body beyond the frame", seal_raw(&raw_frame(0x10, 1, 12_000, 20_000, &raw, 0, padded))),
        ("longest body there is", seal_raw(&raw_frame(0x10, 1, 12_000, u32::MAX, &raw, 0, padded))),
    ];
    for (what, blob) in refused {
        assert_eq!(open(&blob), Err(OpenError::Refused), "{what}");
    }
}

/// A writer that holds the keys could choose its own IV, and so give two frames one key and nonce.
#[test]
fn a_blob_whose_iv_is_not_that_of_its_frame_is_refused() {
    let (keys, head) = (vault_keys(), head(1));
    let raw = b"hello chunk ".repeat(1000);
    let frame = raw_frame(0x10, 0, 12_000, 12_000, &raw, 0, crate::padding::padded_len(10 + raw.len()));
    let right = derive_siv(&keys.newest().1.siv, keys.vault(), &head, &frame);
    let with_iv = |siv: [u8; 32]| {
        let mut bytes = [&head[..], &siv, &frame].concat();
        let aad = [&bytes[..PREFIX_LEN], keys.vault().as_bytes()].concat();
        let key = derive_key(&keys.newest().1.blob, keys.vault(), &head, &siv);
        crate::hazmat::encrypt(&key, &aad, &mut bytes, PREFIX_LEN);
        SealedBlob { id: BlobId::from_bytes(protocol::digest::sha256(&[&bytes])).expect("not zeros"), bytes }
    };
    assert!(open(&with_iv(right)).is_ok());
    assert_eq!(open(&with_iv([7; 32])), Err(OpenError::Refused));
}

#[test]
fn no_two_distinct_frames_share_a_key_and_nonce() {
    let (keys, head) = (vault_keys(), head(1));
    let mut seen = HashMap::new();
    for number in 0..50_000_u32 {
        // The frame differs in its kind, in its codec, or in a few bytes of its body.
        let (kind, codec) = (0x10 + (number % 4) as u8, (number / 4 % 2) as u8);
        let frame = raw_frame(kind, codec, 4, 4, &(number / 8).to_be_bytes(), 0, 64);
        let siv = derive_siv(&keys.newest().1.siv, keys.vault(), &head, &frame);
        let key = derive_key(&keys.newest().1.blob, keys.vault(), &head, &siv);
        if let Some(other) = seen.insert((key.key, key.nonce), number) {
            panic!("frames {other} and {number} share a key and nonce");
        }
    }
}

#[test]
fn the_golden_blob_has_the_golden_key_and_nonce() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../../tests/golden/v1/vectors.json"))
        .expect("the golden file is JSON");
    let prefix = hex::decode(golden["blob"]["head"].as_str().expect("text")).expect("hex");
    let keys = vault_keys();
    let siv = prefix.last_chunk().expect("48 bytes");
    let key = derive_key(&keys.newest().1.blob, keys.vault(), &head(1), siv);
    assert_eq!(golden["blob"]["key"], hex::encode(key.key));
    assert_eq!(golden["blob"]["nonce"], hex::encode(key.nonce));
}
