//! The link of an enrolment, as a person copies it: `https://ORIGIN/enroll#CODE`. What stands behind `#` never
//! reaches a server.

use protocol::digest::{PREFIX, sha256};
use protocol::id::EnrolmentId;
use zeroize::Zeroizing;

use super::{EnrolmentCode, EnrolmentSecret};
use crate::base32;

/// Bytes of enrolment, secret and check, and the characters that they fill.
const CODE_LEN: usize = 16 + 32 + CHECK_LEN;
const CHECK_LEN: usize = 3;
const CODE_CHARS: usize = 82;
/// Between origin and code.
const PATH: &str = "/enroll#";

/// Why a text is not the code of an enrolment, in terms a person can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// A character that the alphabet does not have.
    #[error("the code has a character other than letters and digits, or a U")]
    Character,
    /// Too few or too many characters.
    #[error("the code has {CODE_CHARS} characters; this has {chars}")]
    Length {
        /// How many there are, spaces and hyphens left out.
        chars: usize,
    },
    /// The check does not belong to the rest.
    #[error("a character of the code is wrong")]
    Check,
}

/// Why a text is not the link of an enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not of its form.
    #[error("a link to add a device looks like https://backup.example/enroll#CODE")]
    Form,
    /// Not the origin of a web app.
    #[error("the link does not begin with https://, a host, and perhaps a port")]
    Origin,
    /// Its code is not one.
    #[error(transparent)]
    Code(#[from] CodeError),
}

/// Where to enrol, and with what.
pub struct EnrolmentLink {
    origin: String,
    /// What stands behind `#`.
    pub code: EnrolmentCode,
}

impl EnrolmentCode {
    /// 82 characters: enrolment, secret and check.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; CODE_LEN]);
        bytes[..16].copy_from_slice(self.enrolment.as_bytes());
        bytes[16..48].copy_from_slice(&self.secret.0);
        let check = check(&bytes);
        bytes[48..].copy_from_slice(&check);
        base32::encode(&*bytes, CODE_CHARS)
    }

    /// Reads what [`EnrolmentCode::to_text`] wrote: case, spaces and hyphens do not matter, O reads as 0, I and L as 1.
    ///
    /// # Errors
    /// [`CodeError`].
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let digits = base32::digits(text).ok_or(CodeError::Character)?;
        if digits.len() != CODE_CHARS {
            return Err(CodeError::Length { chars: digits.len() });
        }
        let bytes = base32::pack::<CODE_LEN>(&digits).ok_or(CodeError::Check)?;
        if bytes[48..] != check(&bytes) {
            return Err(CodeError::Check);
        }
        let enrolment = EnrolmentId::from_slice(&bytes[..16]).map_err(|_| CodeError::Check)?;
        let secret = EnrolmentSecret::try_from(&bytes[16..48]).expect("its length is fixed");
        Ok(Self { enrolment, secret })
    }
}

impl EnrolmentLink {
    /// A link to the web app at `origin`, like `https://backup.example`.
    ///
    /// # Errors
    /// [`LinkError::Origin`] unless it is http(s), a host, and perhaps a port.
    pub fn new(origin: &str, code: EnrolmentCode) -> Result<Self, LinkError> {
        let origin = origin.to_ascii_lowercase();
        if is_origin(&origin) { Ok(Self { origin, code }) } else { Err(LinkError::Origin) }
    }

    /// Reads a link that was copied.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn parse(text: &str) -> Result<Self, LinkError> {
        let (origin, code) = text.trim().split_once(PATH).ok_or(LinkError::Form)?;
        let code = EnrolmentCode::parse(code)?;
        Self::new(origin, code)
    }

    /// The link as text.
    pub fn to_text(&self) -> Zeroizing<String> {
        join(&self.origin, &self.code)
    }

    /// The text of a link to the web app at `origin`.
    ///
    /// # Errors
    /// [`LinkError::Origin`], as [`EnrolmentLink::new`].
    pub fn write(origin: &str, code: &EnrolmentCode) -> Result<Zeroizing<String>, LinkError> {
        let origin = origin.to_ascii_lowercase();
        if is_origin(&origin) { Ok(join(&origin, code)) } else { Err(LinkError::Origin) }
    }

    /// The web app's origin, in lower case, without a slash at its end.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

fn join(origin: &str, code: &EnrolmentCode) -> Zeroizing<String> {
    let code = code.to_text();
    let mut text = Zeroizing::new(String::with_capacity(origin.len() + PATH.len() + code.len()));
    text.extend([origin, PATH, &code]);
    text
}

fn check(bytes: &[u8; CODE_LEN]) -> [u8; CHECK_LEN] {
    let digest = sha256(&[PREFIX, b"enrol-check", &bytes[..CODE_LEN - CHECK_LEN]]);
    *digest.first_chunk().expect("a digest is longer")
}

/// Whether it is `http(s)://HOST` or `http(s)://HOST:PORT`: nothing that could make another host of it for a person
/// or a program, such as a user name, a path or a character outside ASCII.
fn is_origin(text: &str) -> bool {
    let Some(authority) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => {
            if host.parse::<core::net::Ipv6Addr>().is_err() {
                return false;
            }
            return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    !host.is_empty() && host.bytes().all(is_host_byte) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}
