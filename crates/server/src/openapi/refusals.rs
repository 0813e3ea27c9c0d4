//! Answers that are no success: one for each status, with the codes that it may carry.

use std::collections::{BTreeMap, BTreeSet};

use protocol::error::{ErrorBody, ErrorCode};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{ContentBuilder, HeaderBuilder, Response, ResponseBuilder};

use super::operation::{reference, with_request_id};

/// One answer tells of all codes with its status.
pub(super) fn by_status(codes: &[ErrorCode]) -> BTreeMap<u16, BTreeSet<ErrorCode>> {
    let mut by_status: BTreeMap<u16, BTreeSet<ErrorCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().insert(*code);
    }
    by_status
}

/// The component's.
pub(super) fn name(codes: &BTreeSet<ErrorCode>) -> String {
    codes.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join("-or-")
}

/// The answer.
pub(super) fn describe(status: u16, codes: &BTreeSet<ErrorCode>, has_body: bool) -> Response {
    let names: Vec<_> = codes.iter().map(|code| (word(*code), code.about())).collect();
    let lines: Vec<_> = names.iter().map(|(name, about)| format!("`{name}`: {about}")).collect();
    let mut response = with_request_id(ResponseBuilder::new().description(lines.join("\n\n")));
    if matches!(status, 429 | 503) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let header =
            HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds after which to try again."));
        response = response.header("Retry-After", header.build());
    }
    if has_body {
        let code = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(names.into_iter().map(|(name, _)| name)));
        let narrowed = ObjectBuilder::new().schema_type(Type::Object).property("code", code);
        let schema = AllOfBuilder::new().item(reference::<ErrorBody>()).item(narrowed);
        let content = ContentBuilder::new().schema(Some(schema));
        response = response.content("application/json", content.build());
    }
    response.build()
}

fn word(code: ErrorCode) -> String {
    let name = serde_json::to_value(code).expect("a code is a word");
    name.as_str().expect("a code is a word").to_owned()
}
