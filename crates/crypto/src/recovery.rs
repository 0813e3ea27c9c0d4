//! The recovery key: what opens an account when the password is lost, and its form on paper.

use protocol::digest::{PREFIX, sha256};
use zeroize::Zeroizing;

use crate::base32;
use crate::secret::secret_key;

/// Characters of the key itself, then of its check, and in one group.
const KEY_CHARS: usize = 52;
const CHECK_CHARS: usize = 4;
const GROUP_CHARS: usize = 8;

secret_key! {
    /// RK: 32 random bytes, shown once as text.
    root RecoveryKey
}
secret_key! {
    /// Proves the recovery key to the coordinator, which keeps its hash.
    RecoveryAuthKey
}
secret_key! {
    /// Wraps the account key under the recovery key.
    RecoveryKek
}

/// Why a text is not a recovery key, in terms a person can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryTextError {
    /// A character that the alphabet does not have.
    #[error("a recovery key has letters and digits, spaces and hyphens only, and no U")]
    Character,
    /// Too few or too many characters.
    #[error("a recovery key has 56 characters in seven groups of eight; this has {chars}")]
    Length {
        /// How many there are, spaces and hyphens left out.
        chars: usize,
    },
    /// The check does not belong to the key.
    #[error("a character of the recovery key is wrong")]
    Check,
}

impl RecoveryKey {
    /// Seven groups of eight characters, joined by hyphens: 52 of the key and 4 of its check.
    pub fn to_text(&self) -> Zeroizing<String> {
        let (key, check) = (base32::encode(&self.0, KEY_CHARS), check(&self.0));
        let mut text = Zeroizing::new(String::with_capacity(KEY_CHARS + CHECK_CHARS + 6));
        for (at, character) in key.chars().chain(check.chars()).enumerate() {
            if at > 0 && at % GROUP_CHARS == 0 {
                text.push('-');
            }
            text.push(character);
        }
        text
    }

    /// Reads what [`RecoveryKey::to_text`] wrote and a person copied: case, spaces and hyphens do not matter,
    /// O reads as 0, I and L as 1.
    pub fn parse(text: &str) -> Result<Self, RecoveryTextError> {
        let digits = base32::digits(text).ok_or(RecoveryTextError::Character)?;
        if digits.len() != KEY_CHARS + CHECK_CHARS {
            return Err(RecoveryTextError::Length { chars: digits.len() });
        }
        let (key, copied_check) = digits.split_at(KEY_CHARS);
        let key = base32::pack::<32>(key).ok_or(RecoveryTextError::Check)?;
        let expected = base32::digits(&check(&key)).expect("what was encoded decodes");
        if *expected == copied_check { Ok(Self(*key)) } else { Err(RecoveryTextError::Check) }
    }

    /// What is sent to the coordinator.
    pub fn derive_auth_key(&self) -> RecoveryAuthKey {
        RecoveryAuthKey::derive(&self.0, &[], b"auth/recovery")
    }

    /// What opens the account key.
    pub fn derive_kek(&self) -> RecoveryKek {
        RecoveryKek::derive(&self.0, &[], b"kek/recovery")
    }
}

fn check(key: &[u8; 32]) -> Zeroizing<String> {
    base32::encode(&sha256(&[PREFIX, b"recovery-check", key]), CHECK_CHARS)
}
