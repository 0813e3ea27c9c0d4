//! What handlers answer.

use axum::response::NoContent;
use axum::response::sse::Sse;
use axum_extra::extract::CookieJar;
use protocol::events::Event;
use server::answers::{Created, Made, Octets};
use server::error::ApiError;
use server::metrics::Exposition;
use server::openapi::Operation;
use utoipa::ToSchema;
use utoipa::openapi::HeaderBuilder;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::api::relay::{RelayedBlobs, RelayedEvents};

/// The answer of a handler.
pub(crate) trait Output {
    fn describe(operation: &mut Operation);
}

impl<T: Output> Output for Result<T, ApiError> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl<T: ToSchema> Output for axum::Json<T> {
    fn describe(operation: &mut Operation) {
        operation.answers_json::<T>(200, "The answer.");
    }
}

impl Output for NoContent {
    fn describe(operation: &mut Operation) {
        operation.answers_nothing(204, "It is done.");
    }
}

impl Output for Created {
    fn describe(operation: &mut Operation) {
        operation.answers_nothing(201, "It is made.");
    }
}

impl<T: ToSchema> Output for Made<T> {
    fn describe(operation: &mut Operation) {
        operation.answers_json::<T>(201, "What was made.");
    }
}

impl Output for Octets {
    fn describe(operation: &mut Operation) {
        operation.answers_octets("Envelopes, as docs/PROTOCOL.md says.");
    }
}

impl Output for RelayedBlobs {
    fn describe(operation: &mut Operation) {
        operation.answers_octets("What the node answers.");
    }
}

impl Output for RelayedEvents {
    fn describe(operation: &mut Operation) {
        operation.answers(200, "application/x-ndjson", "What the node answers.", text());
    }
}

impl Output for Exposition {
    fn describe(operation: &mut Operation) {
        operation.answers(200, "text/plain", "Metrics in the text format of Prometheus.", text());
    }
}

impl<S> Output for Sse<S> {
    fn describe(operation: &mut Operation) {
        operation.refer::<Event>();
        let about = "Server-sent events; the data of each is an `Event` in JSON. The stream ends after 15 minutes at \
                     the latest, and the client opens another.";
        operation.answers(200, "text/event-stream", about, text());
    }
}

impl<T: Output> Output for (CookieJar, T) {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        let cookie = HeaderBuilder::new().schema(Some(text())).description(Some("The session's cookie."));
        operation.answers_header("Set-Cookie", &cookie.build());
    }
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
