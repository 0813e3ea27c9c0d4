//! Schemas of the types that are written as text: what exactly that text looks like.

use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::bytes::{Base64, Base64Array};

/// An id of that many bytes: lower-case hex, not all zeros.
pub(crate) fn id(bytes: usize, about: &str) -> RefOr<Schema> {
    text(&format!("^(?!0+$)[0-9a-f]{{{}}}$", bytes * 2), about).into()
}

fn text(pattern: &str, about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern)).description(Some(about.trim()))
}

impl PartialSchema for Base64 {
    fn schema() -> RefOr<Schema> {
        // The last group spells out that bits which stand for nothing are 0.
        let pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
        text(pattern, "Bytes, in base64 with padding.").content_encoding("base64").into()
    }
}

impl ToSchema for Base64 {}

impl<const N: usize> PartialSchema for Base64Array<N> {
    fn schema() -> RefOr<Schema> {
        let whole = N / 3 * 4;
        let pattern = match N % 3 {
            0 => format!("^[A-Za-z0-9+/]{{{whole}}}$"),
            1 => format!("^[A-Za-z0-9+/]{{{}}}[AQgw]==$", whole + 1),
            _ => format!("^[A-Za-z0-9+/]{{{}}}[AEIMQUYcgkosw048]=$", whole + 2),
        };
        text(&pattern, &format!("{N} bytes, in base64 with padding.")).content_encoding("base64").into()
    }
}

impl<const N: usize> ToSchema for Base64Array<N> {
    fn name() -> std::borrow::Cow<'static, str> {
        format!("Base64Of{N}Bytes").into()
    }
}
