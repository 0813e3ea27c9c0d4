//! A server's HTTP interface in the words of OpenAPI 3.1. Routers describe each route where they bind it, by the
//! protocol's own types, so that the description cannot tell of another interface than the one that is served.

mod callers;
mod operation;
mod refusals;

use std::sync::Arc;

use axum::http::header;
use axum::response::IntoResponse;
use protocol::error::{ErrorBody, ErrorCode};
use protocol::id::RequestId;
use utoipa::openapi::path::{HttpMethod, PathsBuilder};
use utoipa::openapi::{ComponentsBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder, OpenApiBuilder};

pub use operation::Operation;

/// The component that describes the header with a request's number.
const REQUEST_ID_COMPONENT: &str = "RequestId";

/// The description of one server's interface.
#[derive(Debug)]
pub struct Description {
    title: &'static str,
    about: &'static str,
    operations: Vec<Operation>,
}

impl Description {
    /// Of an interface without routes.
    pub fn new(title: &'static str, about: &'static str) -> Self {
        Self { title, about, operations: Vec::new() }
    }

    /// Adds a route.
    pub fn add(&mut self, operation: Operation) {
        self.operations.push(operation);
    }

    /// The document.
    ///
    /// # Panics
    /// If it does not serialize, which texts and numbers do.
    pub fn to_json(&self) -> String {
        let request_id = HeaderBuilder::new()
            .schema(Some(operation::reference::<RequestId>()))
            .description(Some("Finds the request in the server's log."));
        let mut components = ComponentsBuilder::new()
            .schema_from::<ErrorBody>()
            .schema_from::<ErrorCode>()
            .schema_from::<RequestId>()
            .header(REQUEST_ID_COMPONENT, request_id.build());
        let mut paths = PathsBuilder::new();
        for operation in &self.operations {
            components = components.schemas_from_iter(operation.schemas.clone());
            for scheme in operation.schemes() {
                components = components.security_scheme(scheme.name(), scheme.describe());
            }
            for (name, refusal) in operation.refusals() {
                components = components.response(name, refusal);
            }
            let method = method(operation.route.method);
            let item = utoipa::openapi::path::PathItem::new(method, operation.build());
            paths = paths.path(operation.route.path, item);
        }
        // Of the protocol, as in the routes; what a release adds to it changes no number.
        let info =
            InfoBuilder::new().title(self.title).version("1").description(Some(self.about)).license(Some(
                LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build(),
            ));
        let document =
            OpenApiBuilder::new().info(info).paths(paths).components(Some(components.build())).build();
        let json = document.to_pretty_json().expect("texts and numbers serialize");
        // The types' own comments link to each other's code.
        json.replace("[`", "`").replace("`]", "`").replace("`crate::", "`") + "\n"
    }
}

fn method(name: &str) -> HttpMethod {
    match name {
        "GET" => HttpMethod::Get,
        "HEAD" => HttpMethod::Head,
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "DELETE" => HttpMethod::Delete,
        other => unreachable!("no route's method is {other}"),
    }
}

/// The answer with a document.
pub fn answer(document: &Arc<str>) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/json")], document.to_string())
}
