//! The raw primitives, private to this crate: the only file that names a cipher or a hash implementation.
//! It knows nothing of envelopes; every caller states in its own module what makes its use safe.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use x25519_dalek::StaticSecret;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::OpenError;

/// Bytes of an AES-GCM tag.
pub(crate) const TAG_LEN: usize = 16;

/// An AES-256-GCM key with its nonce. Neither `Clone` nor `Copy`, and taken by value to encrypt:
/// a key encrypts exactly one message.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct OneTimeKey {
    pub(crate) key: [u8; 32],
    pub(crate) nonce: [u8; 12],
}

impl OneTimeKey {
    pub(crate) fn new(key: &[u8], nonce: &[u8]) -> Self {
        let mut one_time = Self { key: [0; 32], nonce: [0; 12] };
        one_time.key.copy_from_slice(key);
        one_time.nonce.copy_from_slice(nonce);
        one_time
    }
}

/// BLAKE3 in its keyed mode over the concatenated parts.
pub(crate) fn keyed_blake3(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new_keyed(key);
    for part in parts {
        hash.update(part);
    }
    let output = hash.finalize().into();
    hash.zeroize();
    output
}

/// HKDF-SHA-256 (RFC 5869), `info` given in parts; an empty salt is 32 zero bytes. `N` <= 8160.
pub(crate) fn hkdf<const N: usize>(ikm: &[u8], salt: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; N]> {
    let mut okm = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand_multi_info(info, okm.as_mut_slice())
        .expect("the output is at most 255 hashes long");
    okm
}

/// PBKDF2-HMAC-SHA-256 (RFC 8018), 32 bytes.
pub(crate) fn pbkdf2(password: &[u8], salt: &[u8], iterations: u32) -> Zeroizing<[u8; 32]> {
    let mut output = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, output.as_mut_slice());
    output
}

/// HMAC-SHA-256 (RFC 2104) over the concatenated parts.
pub(crate) fn hmac_sha256(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(key).expect("a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The public half of an X25519 key (RFC 7748).
pub(crate) fn x25519_public(secret: &[u8; 32]) -> [u8; 32] {
    x25519_dalek::PublicKey::from(&StaticSecret::from(*secret)).to_bytes()
}

/// X25519; `None` where the other's public key is of low order, so that the result would not depend on the secret.
pub(crate) fn x25519(secret: &[u8; 32], public: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let shared = StaticSecret::from(*secret).diffie_hellman(&(*public).into());
    shared.was_contributory().then(|| Zeroizing::new(shared.to_bytes()))
}

/// Encrypts `buffer[start..]` in place and appends the tag.
pub(crate) fn encrypt(key: &OneTimeKey, aad: &[u8], buffer: &mut Vec<u8>, start: usize) {
    let tag = Aes256Gcm::new(&key.key.into())
        .encrypt_inout_detached(&key.nonce.into(), aad, InOutBuf::from(&mut buffer[start..]))
        .expect("sizes are far below the limits of GCM");
    buffer.extend_from_slice(&tag);
}

/// Decrypts ciphertext || tag. A plaintext exists for the caller only once its tag was right.
pub(crate) fn decrypt(key: &OneTimeKey, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
    let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or(OpenError::Refused)?;
    let mut plaintext = Vec::with_capacity(ciphertext.len());
    plaintext.extend_from_slice(ciphertext);
    Aes256Gcm::new(&key.key.into())
        .decrypt_inout_detached(
            &key.nonce.into(),
            aad,
            InOutBuf::from(plaintext.as_mut_slice()),
            &(*tag).into(),
        )
        .map_err(|_| OpenError::Refused)?;
    Ok(plaintext)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gueron and Krovetz's, McGrew and Viega's "The Galois/Counter Mode of Operation", test cases 13, 14 and 16.
    #[test]
    fn aes_256_gcm_known_answers() {
        let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
        let plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                     b16aedf5aa0de657ba637b39";
        let sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                      c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b";
        let zeros = "00".repeat(32);
        check_gcm(&zeros, &zeros[..24], "", "", "530f8afbc74536b9a963b4f1c4cb738b");
        check_gcm(
            &zeros,
            &zeros[..24],
            "",
            &zeros[..32],
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
        );
        check_gcm(key, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", plain, sealed);
    }

    fn check_gcm(key: &str, nonce: &str, aad: &str, plain: &str, sealed: &str) {
        let [key, nonce, aad, plain, sealed] =
            [key, nonce, aad, plain, sealed].map(|text| hex::decode(text).expect("hex"));
        let mut buffer = plain.clone();
        encrypt(&OneTimeKey::new(&key, &nonce), &aad, &mut buffer, 0);
        assert_eq!(hex::encode(&buffer), hex::encode(&sealed));
        let key = OneTimeKey::new(&key, &nonce);
        assert_eq!(decrypt(&key, &aad, &sealed), Ok(plain));
        for length in 0..sealed.len() {
            assert_eq!(decrypt(&key, &aad, &sealed[..length]), Err(OpenError::Refused));
        }
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decrypt(&key, &aad, &damaged), Err(OpenError::Refused));
        }
    }

    /// RFC 5869, appendix A.1 and A.3.
    #[test]
    fn hkdf_known_answers() {
        let ikm = [0x0b; 22];
        let salt: Vec<u8> = (0..=0x0c).collect();
        let info: Vec<u8> = (0xf0..=0xf9).collect();
        assert_eq!(
            hex::encode(*hkdf::<42>(&ikm, &salt, &[&info[..4], &info[4..]])),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        );
        assert_eq!(
            hex::encode(*hkdf::<42>(&ikm, &[], &[])),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
        );
    }

    /// RFC 4231, test cases 1 and 2.
    #[test]
    fn hmac_known_answers() {
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        assert_eq!(
            hex::encode(hmac_sha256(&key, &[b"Hi ", b"There"])),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        );
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            hex::encode(hmac_sha256(&key, &[b"what do ya want for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    /// RFC 7748, section 5.2; a point of low order gives nothing.
    #[test]
    fn x25519_known_answers() {
        let array = |text: &str| <[u8; 32]>::try_from(hex::decode(text).expect("hex")).expect("32 bytes");
        let scalar = array("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
        let point = array("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
        let product = x25519(&scalar, &point).expect("contributory");
        assert_eq!(hex::encode(*product), "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
        for low_order in [[0; 32], array(&format!("01{}", "00".repeat(31)))] {
            assert!(x25519(&scalar, &low_order).is_none());
        }
    }

    /// RFC 7914, section 11 (its 64-byte answers begin with the 32-byte ones), and the SHA-256 form of RFC 6070.
    #[test]
    fn pbkdf2_known_answers() {
        let cases: [(&str, &str, u32, &str); 4] = [
            ("passwd", "salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
            ("Password", "NaCl", 80_000, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"),
            ("password", "salt", 2, "ae4d0c95af6b46d32d0adff928f06dd02a303f8ef3c251dfd6e2d85a95474c43"),
            ("password", "salt", 4096, "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a"),
        ];
        for (password, salt, iterations, expected) in cases {
            assert_eq!(hex::encode(*pbkdf2(password.as_bytes(), salt.as_bytes(), iterations)), expected);
        }
    }
}
