//! Every route, on one screen.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::handler::Handler;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, get, on};
use protocol::error::ErrorCode;
use protocol::limits::JSON_BYTES_MAX;
use protocol::routes::{Route, coordinator as routes};
use server::error::ApiError;
use server::openapi::{Description, answer};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::api::{
    account_states, accounts, audit_log, blobs, commits, devices, enrolments, events, health, heartbeats,
    invitations, messages, nodes, relay, sessions, snapshots, sources, uploads, users, vaults,
};
use crate::error::ApiResult;
use crate::openapi;
use crate::state::{App, AppState};
use crate::web;

/// How long a request may take.
const REQUEST: Duration = Duration::from_mins(1);
/// How long a commit may take, which may carry millions of references.
const COMMIT: Duration = Duration::from_mins(15);
/// How long a batch may take on its way through to a node, from a line of 1 Mbit/s.
const RELAY: Duration = Duration::from_mins(15);

/// The whole program as a service.
pub fn router(state: AppState) -> Router {
    let (api, description) = bind();
    let description: Arc<str> = description.to_json().into();
    let described = Router::new().route(routes::OPENAPI.path, get(async move || answer(&description)));
    let api = api.merge(described).layer(SetResponseHeaderLayer::overriding(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    ));
    let router = Router::new()
        .merge(api)
        .fallback(web::serve)
        .method_not_allowed_fallback(server::error::method_not_allowed)
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .layer(from_fn_with_state(state.meters.registry.clone(), server::metrics::measure))
        .layer(from_fn(server::request_id::assign));
    with_browser_headers(router, &state).with_state(state)
}

/// What the program serves, described in OpenAPI.
pub fn description() -> String {
    bind().1.to_json()
}

fn bind() -> (Router<AppState>, Description) {
    let mut description = openapi::begin();
    let quick = Routes::new(&mut description)
        .on(routes::REGISTRATION, accounts::find_registration)
        .on(routes::PRELOGIN, accounts::find_key_derivation)
        .on(routes::REGISTER, accounts::make_account)
        .on(routes::LOGIN, sessions::open_session)
        .on(routes::SESSION, sessions::find_session)
        .on(routes::STEP_UP, sessions::step_up_session)
        .on(routes::LOGOUT, sessions::close_session)
        .on(routes::USAGE, users::find_usage)
        .on(routes::ACCOUNT_STATE, account_states::find_account_state)
        .on(routes::APPEND_ACCOUNT_STATE, account_states::append_account_state)
        .on(routes::OPEN_ENROLMENT, enrolments::open_enrolment)
        .on(routes::REQUEST_ENROLMENT, enrolments::request_enrolment)
        .on(routes::ENROLMENT_REQUEST, enrolments::find_enrolment_request)
        .on(routes::GRANT_ENROLMENT, enrolments::grant_enrolment)
        .on(routes::ENROLMENT_GRANT, enrolments::find_enrolment_grant)
        .on(routes::DEVICES, devices::list_devices)
        .on(routes::REVOKE_DEVICE, devices::revoke_device)
        .on(routes::DEVICE_KEYS, devices::list_device_keys)
        .on(routes::DEVICE_LOGIN, devices::open_device_session)
        .on(routes::VAULTS, vaults::list_vaults)
        .on(routes::PUT_VAULT_KEY, vaults::put_vault_key)
        .on(routes::COMMITS, commits::list_commits)
        .on(routes::APPEND_COMMIT, commits::append_commit)
        .on(routes::SNAPSHOTS, snapshots::list_snapshots)
        .on(routes::RETENTION, snapshots::find_retention)
        .on(routes::PUT_RETENTION, snapshots::put_retention)
        .on(routes::PREVIEW_RETENTION, snapshots::preview_retention)
        .on(routes::SOURCES, sources::list_sources)
        .on(routes::PROVE_SOURCE, sources::prove_source)
        .on(routes::SEND_MESSAGE, messages::send_message)
        .on(routes::LOCATE, blobs::locate_blobs)
        .on(routes::OPEN_UPLOAD, uploads::open_upload)
        .on(routes::PLAN, uploads::plan_upload)
        .on(routes::RECEIPTS, uploads::put_receipts)
        .on(routes::REFS, uploads::stage_refs)
        .on(routes::STAGE_PURGE, uploads::stage_purge)
        .on(routes::NODES, nodes::list_nodes)
        .on(routes::DRAIN_NODE, nodes::drain_node)
        .on(routes::UNDRAIN_NODE, nodes::undrain_node)
        .on(routes::PREVIEW_REMOVAL, nodes::preview_removal)
        .on(routes::REMOVE_NODE, nodes::remove_node)
        .on(routes::USERS, users::list_users)
        .on(routes::SET_QUOTA, users::set_quota)
        .on(routes::SET_ROLE, users::set_role)
        .on(routes::INVITATIONS, invitations::list_invitations)
        .on(routes::INVITE, invitations::invite)
        .on(routes::REVOKE_INVITATION, invitations::revoke_invitation)
        .on(routes::AUDIT_LOG, audit_log::list_audit_log)
        .on(routes::JOIN, nodes::join_node)
        .on(routes::HEARTBEAT, heartbeats::take_heartbeat)
        .on(routes::EVENTS, events::stream_events)
        .on(routes::LIVEZ, health::livez)
        .on(routes::READYZ, health::readyz)
        .on(routes::METRICS, health::metrics)
        .within(REQUEST);
    let long = Routes::new(&mut description).on(routes::COMMIT_UPLOAD, uploads::commit_upload).within(COMMIT);
    let relayed = Routes::new(&mut description)
        .on(routes::RELAY_PUT_BLOBS, relay::relay_put_blobs)
        .on(routes::RELAY_READ_BLOBS, relay::relay_read_blobs)
        .on(routes::RELAY_GET_BLOB, relay::relay_read_blob)
        .within(RELAY);
    description.add(openapi::itself());
    (quick.merge(long).merge(relayed), description)
}

/// Routes as the protocol lists them.
struct Routes<'a> {
    router: Router<AppState>,
    description: &'a mut Description,
}

impl<'a> Routes<'a> {
    fn new(description: &'a mut Description) -> Self {
        Self { router: Router::new(), description }
    }

    fn on<H, T>(self, route: Route, handler: H) -> Self
    where
        H: Handler<T, AppState> + openapi::Handler<T>,
        T: 'static,
    {
        self.description.add(openapi::describe::<H, T>(route));
        let method = Method::from_bytes(route.method.as_bytes()).expect("the protocol's methods are HTTP's");
        let filter = MethodFilter::try_from(method).expect("a method that axum knows");
        Self { router: self.router.route(route.path, on(filter, handler)), ..self }
    }

    fn within(self, limit: Duration) -> Router<AppState> {
        self.router.layer(from_fn_with_state(limit, limit_time))
    }
}

async fn limit_time(State(limit): State<Duration>, request: Request, next: Next) -> ApiResult<Response> {
    tokio::time::timeout(limit, next.run(request))
        .await
        .map_err(|_| ApiError::new(ErrorCode::RequestTimeout, "the request took too long"))
}

/// What every answer tells browsers.
fn with_browser_headers(router: Router<AppState>, state: &App) -> Router<AppState> {
    let headers = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
        ),
    ];
    let hsts = (header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains; preload");
    let hsts = Some(hsts).filter(|_| state.settings.public_url.starts_with("https://"));
    headers.into_iter().chain(hsts).fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)))
    })
}
