//! Every route against every bad credential. A route that the protocol gains and this file does not know fails.

use protocol::error::ErrorCode;
use protocol::routes::{Caller, Route, coordinator as routes};
use reqwest::{RequestBuilder, StatusCode};

use crate::support::{Answer, Node, Server};

/// A request of the right form but for who sends it: its path is filled and its body irrelevant.
fn request(server: &Server, route: Route) -> RequestBuilder {
    let id = "01".repeat(16);
    let values: Vec<&dyn std::fmt::Display> = route
        .path
        .split('/')
        .filter(|part| part.starts_with('{'))
        .map(|part| match part {
            "{vault}" | "{upload}" => &id as &dyn std::fmt::Display,
            "{seq}" | "{page}" => &0,
            other => panic!("{other} is new: say what it may be"),
        })
        .collect();
    server.call(route, &values)
}

async fn expect_unauthenticated(request: RequestBuilder, route: Route, credentials: &str) {
    let answer = Answer::read(request).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{} {} with {credentials}", route.method, route.path);
    answer.expect_code(ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn no_route_opens_to_bad_credentials() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let node = Node::up(&server, "zone").await;
    let signed_by_node = node.sign(&server, b"", server.state.clock.now_ms());
    let cookies = [
        ("no cookie", String::new()),
        ("an unknown token", format!("__Host-sid={}", "0".repeat(64))),
        ("the plain cookie's name", operator.cookie.replace("__Host-sid", "sid")),
        ("a longer token", format!("{}0", operator.cookie)),
    ];
    for route in routes::ALL {
        let changing = || request(&server, *route).header("x-triplicate", "1");
        match route.caller {
            Caller::Anyone => {}
            Caller::Session => {
                for (name, cookie) in &cookies {
                    expect_unauthenticated(changing().header("cookie", cookie), *route, name).await;
                }
                let by_node = changing().header("authorization", &signed_by_node);
                expect_unauthenticated(by_node, *route, "a node's signature").await;
            }
            Caller::Node => {
                expect_unauthenticated(changing(), *route, "nothing").await;
                let by_session = changing().header("cookie", &operator.cookie);
                expect_unauthenticated(by_session, *route, "a session").await;
                let garbled =
                    changing().header("authorization", signed_by_node.replace("signature=", "signature=0"));
                expect_unauthenticated(garbled, *route, "a garbled signature").await;
                let stranger = Node::new("zone").sign(&server, b"", server.state.clock.now_ms());
                let unknown = changing().header("authorization", stranger);
                expect_unauthenticated(unknown, *route, "an unknown node's signature").await;
            }
            Caller::Grant => panic!("the coordinator takes no grants"),
        }
    }
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
            "/api/v1/nodes",
            "/livez",
            "/readyz",
        ]
    );
}

#[tokio::test]
async fn changes_need_our_own_page() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let changing =
        routes::ALL.iter().filter(|route| route.caller == Caller::Session && route.method != "GET");
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
    let not_an_id = operator.call(&server, routes::SOURCES, &[&"nonsense"]);
    Answer::read(not_an_id).await.expect_code(ErrorCode::InvalidRequest);
    for route in [routes::LIVEZ, routes::READYZ] {
        Answer::read(server.call(route, &[])).await.expect_status(StatusCode::NO_CONTENT);
    }
}
