//! Paths in JSON: text where they are UTF-8; else text for people, and beside it the bytes in hex for programs.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes { text: String, hex: String },
}

/// For `#[serde(with)]`.
pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    let form = match path.to_str() {
        Some(text) => Form::Text(text.to_owned()),
        None => Form::Bytes {
            text: path.to_string_lossy().into_owned(),
            hex: hex::encode(path.as_os_str().as_bytes()),
        },
    };
    form.serialize(serializer)
}

/// For `#[serde(with)]`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    match Form::deserialize(deserializer)? {
        Form::Text(text) => Ok(text.into()),
        Form::Bytes { hex, .. } => {
            Ok(OsString::from_vec(hex::decode(hex).map_err(de::Error::custom)?).into())
        }
    }
}
