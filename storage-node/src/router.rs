//! Every route of the node, and what surrounds all of them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post, put};
use protocol::data_plane::GENERATION_HEADER;
use protocol::error::ErrorCode;
use protocol::routes::{REQUEST_ID_HEADER, storage_node as routes};
use server::error::{ApiError, method_not_allowed, no_such_route};
use server::openapi::answer;
use server::{metrics, request_id};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::api::{batch, blobs, health, maintenance, pull};
use crate::openapi;
use crate::state::Node;

pub(crate) fn router(node: &Arc<Node>) -> Router {
    let description: Arc<str> = openapi::description().into();
    let data = Router::new()
        .route(routes::PUT_BLOB.path, put(blobs::put).get(blobs::get).head(blobs::head))
        .route(routes::PUT_BLOBS.path, post(batch::put))
        .route(routes::READ_BLOBS.path, post(batch::read))
        .route(routes::PULL.path, post(pull::pull))
        .route(routes::DELETE.path, post(maintenance::delete))
        .route(routes::AUDIT.path, post(maintenance::audit))
        .route(routes::INVENTORY.path, get(maintenance::inventory))
        .route(routes::INVENTORY_PART.path, get(maintenance::inventory_part))
        .layer(from_fn_with_state(Arc::clone(node), shed));
    Router::new()
        .merge(data)
        .route(routes::OPENAPI.path, get(async move || answer(&description)))
        .route(routes::LIVEZ.path, get(health::live))
        .route(routes::READYZ.path, get(health::ready))
        .route(routes::METRICS.path, get(health::metrics))
        .fallback(no_such_route)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::clone(node))
        .layer(from_fn_with_state(Arc::clone(&node.meters.registry), metrics::measure))
        .layer(from_fn(request_id::assign))
        .layer(cors(node))
        .layer(always(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(always(header::CONTENT_DISPOSITION, "attachment"))
        .layer(always(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
}

/// Turns requests away at once when too many are under way.
async fn shed(State(node): State<Arc<Node>>, request: Request, next: Next) -> Result<Response, ApiError> {
    let busy = || ApiError::new(ErrorCode::Unavailable, "the node is busy");
    let _permit = node.requests.try_acquire().map_err(|_| busy())?;
    Ok(next.run(request).await)
}

/// The web app's exact origins, from the signed directory.
fn cors(node: &Arc<Node>) -> CorsLayer {
    let cluster = node.cluster.clone();
    let generation = HeaderName::from_static(GENERATION_HEADER);
    let request_id = HeaderName::from_static(REQUEST_ID_HEADER);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| cluster.allows_origin(origin.as_bytes())))
        .allow_methods([Method::GET, Method::HEAD, Method::PUT, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE, generation.clone(), request_id.clone()])
        .expose_headers([header::CONTENT_LENGTH, header::RETRY_AFTER, generation, request_id])
        .vary([header::ORIGIN])
        .max_age(Duration::from_hours(2))
}

/// Whatever a blob's bytes look like, a browser must not run or show them.
fn always(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
}
