//! Every route against every bad credential. A route that the protocol gains and this file does not know fails.

use coordinator::config::Registration;
use protocol::envelope::device_certificate::Role;
use protocol::error::ErrorCode;
use protocol::routes::{Caller, Route, coordinator as routes};
use reqwest::{RequestBuilder, StatusCode};

use crate::support::{Admission, Answer, Node, Options, Registered, Server, sign_in_header};

/// A request of the right form but for who sends it: its path is filled and its body irrelevant.
fn request(server: &Server, route: Route) -> RequestBuilder {
    let id = "01".repeat(16);
    let values: Vec<&dyn std::fmt::Display> = route
        .path
        .split('/')
        .filter(|part| part.starts_with('{'))
        .map(|part| match part {
            "{vault}" | "{upload}" | "{enrolment}" | "{source}" | "{node}" | "{account}" | "{invitation}" => {
                &id as &dyn std::fmt::Display
            }
            "{seq}" | "{page}" => &0,
            other => panic!("{other} is new: say what it may be"),
        })
        .collect();
    server.call(route, &values)
}

async fn expect_unauthenticated(request: RequestBuilder, route: Route, credentials: &str) {
    expect_refusal(request, route, credentials, ErrorCode::Unauthenticated).await;
}

async fn expect_refusal(request: RequestBuilder, route: Route, credentials: &str, code: ErrorCode) {
    let answer = Answer::read(request).await;
    assert_eq!(answer.status, code.status(), "{} {} with {credentials}", route.method, route.path);
    answer.expect_code(code);
}

/// Headers that let nobody in, by the kind of caller that they imitate.
struct BadCredentials {
    cookies: Vec<(&'static str, String)>,
    bearers: Vec<(&'static str, String)>,
    nodes: Vec<(&'static str, String)>,
    devices: Vec<(&'static str, String)>,
    /// Signed as they should be, by who is no device, or none that may come in.
    outsiders: Vec<(&'static str, String)>,
}

impl BadCredentials {
    async fn make(server: &Server, operator: &mut Registered) -> Self {
        let now_ms = server.state.clock.now_ms();
        let expired = operator.admit(server, Role::Append).await;
        server.sql("UPDATE device_sessions SET created_at = created_at - interval '15 minutes'").await;
        let revoked = operator.admit(server, Role::Append).await;
        operator.revoke(server, revoked.id).await;
        let stranger = Admission::new(operator, Role::Append, true);
        let node = Node::up(server, "zone").await;
        let by_node = node.sign(server, b"", now_ms);
        let cookie = &operator.cookie;
        let signed = sign_in_header(server, &expired.key, expired.id, now_ms);
        Self {
            cookies: vec![
                ("no cookie", String::new()),
                ("an unknown token", format!("__Host-sid={}", "0".repeat(64))),
                ("the plain cookie's name", cookie.replace("__Host-sid", "sid")),
                ("a longer token", format!("{cookie}0")),
                ("a device's token", expired.credentials.1.replace("Bearer ", "__Host-sid=")),
            ],
            bearers: vec![
                ("no token", "Bearer ".into()),
                ("an unknown token", format!("Bearer {}", "0".repeat(64))),
                ("an expired session", expired.credentials.1.clone()),
                ("a revoked device's session", revoked.credentials.1.clone()),
                ("a person's token", cookie.replace("__Host-sid=", "Bearer ")),
                ("a device's signature", signed.clone()),
                ("a node's signature", by_node.clone()),
            ],
            nodes: vec![
                ("a garbled signature", by_node.replace("signature=", "signature=0")),
                ("an unknown node's signature", Node::new("zone").sign(server, b"", now_ms)),
                ("a device's signature", signed.clone()),
            ],
            devices: vec![
                ("a garbled signature", signed.replace("signature=", "signature=0")),
                ("another key's signature", sign_in_header(server, &node.key, expired.id, now_ms)),
                ("a session", expired.credentials.1.clone()),
            ],
            outsiders: vec![
                ("a node's signature", by_node),
                ("a device that was not admitted", stranger.authorization(server)),
                ("a revoked device", sign_in_header(server, &revoked.key, revoked.id, now_ms)),
            ],
        }
    }
}

#[tokio::test]
async fn no_route_opens_to_bad_credentials() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let bad = BadCredentials::make(&server, &mut operator).await;
    let device = operator.admit(&server, Role::Full).await;
    let person = ("cookie", "a person's session", &operator.cookie);
    let device = ("authorization", "a device's session", &device.credentials.1);
    for route in routes::ALL {
        let cookies = bad.cookies.iter().map(|(name, value)| ("cookie", *name, value));
        let authorizations = |list| {
            let list: &Vec<(&'static str, String)> = list;
            list.iter().map(|(name, value)| ("authorization", *name, value)).collect::<Vec<_>>()
        };
        let refused: Vec<_> = match route.caller {
            // What has a grant, its node judges: `a_relay_takes_nodes_requests_and_nothing_else` of the client's tests.
            Caller::Anyone | Caller::Monitoring | Caller::Grant => Vec::new(),
            Caller::Session | Caller::SteppedUp | Caller::Operator | Caller::SteppedUpOperator => {
                cookies.chain(authorizations(&bad.bearers)).chain([device]).collect()
            }
            Caller::SessionOrDevice => cookies.chain(authorizations(&bad.bearers)).collect(),
            Caller::Device => authorizations(&bad.bearers).into_iter().chain([person]).collect(),
            Caller::DeviceSignature => {
                authorizations(&bad.devices).into_iter().chain([person, device]).collect()
            }
            Caller::Node => authorizations(&bad.nodes).into_iter().chain([person, device]).collect(),
        };
        for (header, name, value) in refused {
            let changing = request(&server, *route).header("x-triplicate", "1");
            expect_unauthenticated(changing.header(header, value), *route, name).await;
        }
        if route.caller == Caller::DeviceSignature {
            for (name, value) in &bad.outsiders {
                let signed = request(&server, *route).header("authorization", value);
                expect_refusal(signed, *route, name, ErrorCode::NotAdmitted).await;
            }
        }
    }
}

#[tokio::test]
async fn a_bad_bearer_is_not_saved_by_a_good_cookie() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    for route in routes::ALL.iter().filter(|route| route.caller == Caller::SessionOrDevice) {
        let both = request(&server, *route).header("x-triplicate", "1").header("cookie", &operator.cookie);
        let both = both.header("authorization", format!("Bearer {}", "0".repeat(64)));
        expect_unauthenticated(both, *route, "a good cookie and a bad bearer").await;
    }
}

#[tokio::test]
async fn what_is_the_operators_is_closed_to_members() {
    let server =
        Server::start_with(Options { registration: Some(Registration::Open), ..Options::default() }).await;
    server.register_operator().await;
    let member = server.register_member("member").await;
    let is_operators = |route: &&Route| matches!(route.caller, Caller::Operator | Caller::SteppedUpOperator);
    for route in routes::ALL.iter().filter(is_operators) {
        let by_member = request(&server, *route).header("x-triplicate", "1").header("cookie", &member.cookie);
        expect_refusal(by_member, *route, "a member's session", ErrorCode::Forbidden).await;
    }
}

#[tokio::test]
async fn what_needs_a_fresh_proof_is_closed_to_a_session_left_open() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    server.sql("UPDATE sessions SET proven_at = now() - interval '5 minutes'").await;
    for route in routes::ALL.iter().filter(|route| needs_proof(**route)) {
        let left_open =
            request(&server, *route).header("x-triplicate", "1").header("cookie", &operator.cookie);
        expect_refusal(left_open, *route, "a proof of long ago", ErrorCode::StepUpRequired).await;
    }
}

fn needs_proof(route: Route) -> bool {
    matches!(route.caller, Caller::SteppedUp | Caller::SteppedUpOperator)
}

/// Listed here by hand, so that no route loses it by a slip. Commits that forget or purge need it too: their route is
/// that of others, and `reclaim.rs` tests them.
#[test]
fn these_routes_need_a_fresh_proof_of_the_passphrase() {
    let stepped_up = routes::ALL.iter().filter(|route| needs_proof(**route));
    assert_eq!(
        stepped_up.map(|route| route.path).collect::<Vec<_>>(),
        [
            "/api/v1/enrolments/{enrolment}/grant",
            "/api/v1/devices/revocations",
            "/api/v1/vaults/{vault}/sources/{source}/retention",
            "/api/v1/users/{account}/role",
            "/api/v1/invitations",
        ]
    );
}

/// What everybody may call is listed here by hand, so that a route does not become public by a slip.
#[test]
fn only_these_routes_are_open_to_anyone() {
    let open: Vec<_> =
        routes::ALL.iter().filter(|route| route.caller == Caller::Anyone).map(|route| route.path).collect();
    assert_eq!(
        open,
        [
            "/api/v1/accounts/registration",
            "/api/v1/accounts/prelogin",
            "/api/v1/accounts",
            "/api/v1/sessions",
            "/api/v1/enrolments/{enrolment}/request",
            "/api/v1/enrolments/{enrolment}/grant",
            "/api/v1/nodes",
            "/api/v1/openapi.json",
            "/livez",
            "/readyz",
        ]
    );
}

#[tokio::test]
async fn changes_need_our_own_page() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let by_session = [
        Caller::Session,
        Caller::SteppedUp,
        Caller::Operator,
        Caller::SteppedUpOperator,
        Caller::SessionOrDevice,
    ];
    let changing =
        routes::ALL.iter().filter(|route| by_session.contains(&route.caller) && route.method != "GET");
    for route in changing {
        let by_form = || request(&server, *route).header("cookie", &operator.cookie);
        Answer::read(by_form()).await.expect_code(ErrorCode::Forbidden);
        let elsewhere = by_form().header("x-triplicate", "1").header("sec-fetch-site", "cross-site");
        Answer::read(elsewhere).await.expect_code(ErrorCode::Forbidden);
    }
}

#[tokio::test]
async fn another_method_or_body_is_answered_in_the_error_envelope() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let wrong_method = server.get(routes::PRELOGIN.path);
    Answer::read(wrong_method).await.expect_code(ErrorCode::MethodNotAllowed);
    let not_json = server.call(routes::PRELOGIN, &[]).body("{");
    Answer::read(not_json).await.expect_code(ErrorCode::InvalidRequest);
    let not_an_object = server.call(routes::PRELOGIN, &[]).json(&["operator"]);
    Answer::read(not_an_object).await.expect_code(ErrorCode::InvalidRequest);
    let not_an_id = operator.call(&server, routes::SOURCES, &[&"nonsense"]);
    Answer::read(not_an_id).await.expect_code(ErrorCode::InvalidRequest);
    for route in [routes::LIVEZ, routes::READYZ] {
        Answer::read(server.call(route, &[])).await.expect_status(StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn an_answer_has_the_number_that_the_client_chose_or_a_new_one() {
    let server = Server::start().await;
    let number = "0123456789abcdef0123456789abcdef";
    let chosen = || server.call(routes::LIVEZ, &[]).header("x-request-id", number);
    assert_eq!(Answer::read(chosen()).await.headers["x-request-id"], number);
    let refused = server.call(routes::SESSION, &[]).header("x-request-id", number);
    assert_eq!(Answer::read(refused).await.error().request_id.to_string(), number);
    let nonsense = server.call(routes::LIVEZ, &[]).header("x-request-id", "nonsense");
    assert_eq!(Answer::read(nonsense).await.headers["x-request-id"].len(), number.len());
}
