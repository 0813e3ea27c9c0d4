//! From a password to the two keys it stands for: one that proves it to the coordinator, one that wraps the account key.

use core::fmt;

use protocol::digest::{PREFIX, length_prefixed, sha256};
use protocol::limits::{KDF_ITERATIONS_DEFAULT, KDF_ITERATIONS_MAX, KDF_ITERATIONS_MIN, LOGIN_CHARS_MAX};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::backend::Backend;
use crate::error::PlatformError;
use crate::secret::secret_key;

secret_key! {
    /// Proves the password to the coordinator, which keeps a verifier of it.
    AuthKey
}
secret_key! {
    /// Wraps the account key under the password.
    PasswordKek
}

/// How slowly a password becomes a key: PBKDF2-HMAC-SHA-256 with a number of iterations inside the bounds compiled into
/// this crate. A value of this type is proof that the bounds were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kdf {
    iterations: u32,
}

/// Why the parameters that a server offers are refused. Nothing that depends on the password may be sent then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KdfError {
    /// Not PBKDF2-HMAC-SHA-256.
    #[error("the server asks for an unknown password function ({id})")]
    Unknown {
        /// Its number.
        id: u8,
    },
    /// Too few to be safe, or too many to finish.
    #[error("the server asks for {iterations} password iterations, outside the allowed range")]
    OutOfBounds {
        /// What was offered.
        iterations: u64,
    },
    /// They never decrease.
    #[error(
        "the server asks for {offered} password iterations, fewer than the {pinned} it has confirmed before"
    )]
    FewerThanPinned {
        /// What was offered.
        offered: u32,
        /// What the pinned account state says.
        pinned: u32,
    },
}

impl Kdf {
    /// The number that PBKDF2-HMAC-SHA-256 has in every format.
    pub const ID: u8 = 1;
    /// What new accounts use.
    pub const DEFAULT: Self = Self { iterations: KDF_ITERATIONS_DEFAULT };

    /// Accepts what a server offers, if it is PBKDF2, within the compiled-in bounds, and not below what the pinned
    /// account state says.
    pub fn accept(id: u8, iterations: u64, pinned: Option<Self>) -> Result<Self, KdfError> {
        if id != Self::ID {
            return Err(KdfError::Unknown { id });
        }
        let offered = u32::try_from(iterations)
            .ok()
            .filter(|offered| (KDF_ITERATIONS_MIN..=KDF_ITERATIONS_MAX).contains(offered))
            .ok_or(KdfError::OutOfBounds { iterations })?;
        match pinned {
            Some(Self { iterations: pinned }) if offered < pinned => {
                Err(KdfError::FewerThanPinned { offered, pinned })
            }
            _ => Ok(Self { iterations: offered }),
        }
    }

    /// How many times the hash runs.
    pub fn iterations(self) -> u32 {
        self.iterations
    }
}

/// A login name: 1 to 64 printable ASCII characters without spaces, kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login(String);

/// The text is not a login name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a login has 1 to {LOGIN_CHARS_MAX} letters, digits or signs of plain ASCII, and no spaces")]
pub struct LoginError;

impl Login {
    /// Checks a text and puts it in lower case.
    pub fn parse(text: &str) -> Result<Self, LoginError> {
        let allowed =
            (1..=LOGIN_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if allowed { Ok(Self(text.to_ascii_lowercase())) } else { Err(LoginError) }
    }

    /// The login in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A password in its NFKC form, so that every keyboard and system gives the same bytes.
pub struct Password(Zeroizing<String>);

/// The password has a control character, which no two systems type alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a password must not have control characters")]
pub struct PasswordError;

impl Password {
    /// Normalises what was typed.
    pub fn parse(text: &str) -> Result<Self, PasswordError> {
        // Reserved up front: a growing string would leave copies behind. NFKC lengthens UTF-8 at most 11 times.
        let mut normal = Zeroizing::new(String::with_capacity(text.len() * 11));
        normal.extend(text.nfkc());
        if normal.chars().any(char::is_control) { Err(PasswordError) } else { Ok(Self(normal)) }
    }
}

/// What a password stands for.
pub struct PasswordKeys {
    /// What is sent to the coordinator.
    pub auth: AuthKey,
    /// What opens the account key.
    pub kek: PasswordKek,
}

impl PasswordKeys {
    /// Derives both keys. Takes about a second; the login and the account's salt make it the account's own second.
    pub async fn derive(
        backend: &Backend,
        password: &Password,
        login: &Login,
        account_salt: &[u8; 32],
        kdf: Kdf,
    ) -> Result<Self, PlatformError> {
        let label = [PREFIX, b"pw-salt"].concat();
        let salt = sha256(&[
            &length_prefixed(&label),
            &length_prefixed(login.0.as_bytes()),
            &length_prefixed(account_salt),
        ]);
        let master = backend.pbkdf2(password.0.as_bytes(), &salt, kdf.iterations).await?;
        Ok(Self {
            auth: AuthKey::derive(&master, &[], b"auth"),
            kek: PasswordKek::derive(&master, &[], b"kek/password"),
        })
    }
}
