//! Signing in and out.

use protocol::bytes::Base64Array;
use protocol::error::ErrorCode;
use protocol::routes::coordinator as routes;
use protocol::sessions::{LoginRequest, LoginResponse, SessionResponse};
use protocol::snapshots::RetentionPolicy;
use reqwest::StatusCode;

use crate::support::{Answer, Options, Registered, Server};

async fn login(server: &Server, request: &LoginRequest) -> Answer {
    Answer::read(server.call(routes::LOGIN, &[]).header("x-triplicate", "1").json(request)).await
}

#[tokio::test]
async fn the_right_key_gets_the_wrap_and_a_cookie() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let answer = login(&server, &operator.login_request()).await.expect_status(StatusCode::OK);
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    let (token, attributes) = cookie.split_once("; ").unwrap();
    assert_eq!(token.len(), "__Host-sid=".len() + 64);
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Secure; Path=/");
    let response: LoginResponse = answer.json();
    assert_eq!(response.password_wrap, operator.registration(None).password_wrap);
    assert_eq!((response.account, response.account_state_seq), (operator.account, 0));
    let who: SessionResponse = operator.get(&server, routes::SESSION, &[]).await.json();
    assert_eq!((who.login.as_str(), who.account), ("operator", operator.account));
}

#[tokio::test]
async fn a_wrong_key_and_an_unknown_login_look_the_same() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let wrong = LoginRequest { auth_key: Base64Array([0; 32]), ..operator.login_request() };
    let unknown = LoginRequest { login: "nobody".into(), ..operator.login_request() };
    let [wrong, unknown] = [login(&server, &wrong).await, login(&server, &unknown).await];
    let [wrong, unknown] = [wrong, unknown].map(|answer| answer.expect_code(ErrorCode::WrongCredentials));
    assert_eq!(wrong.message, unknown.message);
}

#[tokio::test]
async fn ten_failures_close_a_login_to_their_network_alone() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let wrong = LoginRequest { auth_key: Base64Array([0; 32]), ..operator.login_request() };
    for _ in 0..10 {
        login(&server, &wrong).await.expect_code(ErrorCode::WrongCredentials);
    }
    // The right key waits too, or an attacker would learn that it is right.
    let answer = login(&server, &operator.login_request()).await;
    assert_eq!(answer.headers["retry-after"], "60");
    answer.expect_code(ErrorCode::TooManyRequests);
    let other = LoginRequest { login: "other".into(), ..wrong };
    login(&server, &other).await.expect_code(ErrorCode::WrongCredentials);
    // Whoever fails cannot keep the owner out, who is elsewhere.
    let elsewhere = server.call_from([127, 0, 1, 1], routes::LOGIN, &[]).header("x-triplicate", "1");
    Answer::read(elsewhere.json(&operator.login_request())).await.expect_status(StatusCode::OK);
    login(&server, &operator.login_request()).await.expect_code(ErrorCode::TooManyRequests);

    server.sql("UPDATE login_attempts SET attempted_at = attempted_at - interval '15 minutes'").await;
    login(&server, &operator.login_request()).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn failures_count_even_when_they_come_at_once() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let wrong = LoginRequest { auth_key: Base64Array([0; 32]), ..operator.login_request() };
    let answers = futures_util::future::join_all((0..25).map(|_| login(&server, &wrong))).await;
    let judged = answers.iter().filter(|answer| answer.status == StatusCode::UNAUTHORIZED).count();
    assert_eq!(judged, 10);
}

#[tokio::test]
async fn thirty_failures_make_a_network_wait() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    for number in 0..30 {
        let guess = LoginRequest { login: format!("guess-{number}"), ..operator.login_request() };
        login(&server, &guess).await.expect_code(ErrorCode::WrongCredentials);
    }
    login(&server, &operator.login_request()).await.expect_code(ErrorCode::TooManyRequests);
}

#[tokio::test]
async fn a_proxys_word_for_who_asks_counts_only_where_it_was_configured() {
    let judged = async |client_address_header| {
        let server = Server::start_with(Options { client_address_header, ..Options::default() }).await;
        let mut judged = 0;
        for number in 0..32 {
            let guess = LoginRequest { login: format!("guess-{number}"), auth_key: Base64Array([0; 32]) };
            let request = server.call(routes::LOGIN, &[]).header("x-triplicate", "1");
            let request = request.header("x-real-ip", format!("192.0.{number}.1")).json(&guess);
            judged += u32::from(Answer::read(request).await.status == StatusCode::UNAUTHORIZED);
        }
        judged
    };
    assert_eq!(judged(None).await, 30);
    assert_eq!(judged(Some("x-real-ip")).await, 32);
}

#[tokio::test]
async fn successes_are_not_counted() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    for _ in 0..31 {
        login(&server, &operator.login_request()).await.expect_status(StatusCode::OK);
    }
}

#[tokio::test]
async fn a_session_ends_by_sign_out_idleness_or_age() {
    let server = Server::start().await;
    let mut operator = server.register_operator().await;
    let endings = [
        "UPDATE sessions SET last_used_at = now() - interval '12 hours'",
        "UPDATE sessions SET created_at = now() - interval '7 days'",
    ];
    for ending in endings {
        operator.get(&server, routes::SESSION, &[]).await.expect_status(StatusCode::OK);
        server.sql(ending).await;
        operator.get(&server, routes::SESSION, &[]).await.expect_code(ErrorCode::Unauthenticated);
        operator = operator.person.sign_in(&server).await;
    }
    let answer = operator.get(&server, routes::LOGOUT, &[]).await.expect_status(StatusCode::NO_CONTENT);
    assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    operator.get(&server, routes::SESSION, &[]).await.expect_code(ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn use_keeps_a_session_alive() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    server.sql("UPDATE sessions SET last_used_at = now() - interval '11 hours'").await;
    operator.get(&server, routes::SESSION, &[]).await.expect_status(StatusCode::OK);
    server.sql("UPDATE sessions SET last_used_at = last_used_at - interval '11 hours'").await;
    operator.get(&server, routes::SESSION, &[]).await.expect_status(StatusCode::OK);
}

#[tokio::test]
async fn another_sites_page_changes_nothing() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let logout = || server.call(routes::LOGOUT, &[]).header("cookie", &operator.cookie);
    Answer::read(logout()).await.expect_code(ErrorCode::Forbidden);
    for site in ["cross-site", "same-site", "none"] {
        let request = logout().header("x-triplicate", "1").header("sec-fetch-site", site);
        Answer::read(request).await.expect_code(ErrorCode::Forbidden);
    }
    let request = server.call(routes::LOGIN, &[]).json(&operator.login_request());
    Answer::read(request).await.expect_code(ErrorCode::Forbidden);
    let request = logout().header("x-triplicate", "1").header("sec-fetch-site", "same-origin");
    Answer::read(request).await.expect_status(StatusCode::NO_CONTENT);
}

/// Whether the session may do what needs a fresh proof.
async fn is_stepped_up(server: &Server, person: &Registered) -> bool {
    let policy = RetentionPolicy::default();
    let answer = person.send(server, routes::PUT_RETENTION, &[&person.vault, &person.source], &policy).await;
    if answer.status == StatusCode::NO_CONTENT {
        return true;
    }
    answer.expect_code(ErrorCode::StepUpRequired);
    false
}

#[tokio::test]
async fn a_proof_of_the_passphrase_counts_for_minutes_in_its_session() {
    let (server, operator, _) = Server::with_zones(1).await;
    operator.back_up(&server, &[], &[]).await;
    assert!(is_stepped_up(&server, &operator).await, "signing in is one");
    server.sql("UPDATE sessions SET proven_at = now() - interval '4 minutes'").await;
    assert!(is_stepped_up(&server, &operator).await);
    server.sql("UPDATE sessions SET proven_at = now() - interval '5 minutes'").await;
    assert!(!is_stepped_up(&server, &operator).await);
    operator.get(&server, routes::SESSION, &[]).await.expect_status(StatusCode::OK);

    operator.step_up(&server, operator.auth_key).await.expect_status(StatusCode::NO_CONTENT);
    assert!(is_stepped_up(&server, &operator).await);
    server.sql("UPDATE sessions SET proven_at = now() - interval '5 minutes'").await;
    let elsewhere = operator.person.sign_in(&server).await;
    let here =
        Registered { person: elsewhere.person, cookie: operator.cookie, credentials: operator.credentials };
    assert!(!is_stepped_up(&server, &here).await, "another session's proof is none of this one");
}

#[tokio::test]
async fn a_wrong_proof_is_a_failed_sign_in() {
    let (server, operator, _) = Server::with_zones(1).await;
    operator.back_up(&server, &[], &[]).await;
    server.sql("UPDATE sessions SET proven_at = now() - interval '5 minutes'").await;
    for _ in 0..5 {
        operator.step_up(&server, [0; 32]).await.expect_code(ErrorCode::WrongCredentials);
        let wrong = LoginRequest { auth_key: Base64Array([0; 32]), ..operator.login_request() };
        login(&server, &wrong).await.expect_code(ErrorCode::WrongCredentials);
    }
    operator.step_up(&server, operator.auth_key).await.expect_code(ErrorCode::TooManyRequests);
    assert!(!is_stepped_up(&server, &operator).await);
    login(&server, &operator.login_request()).await.expect_code(ErrorCode::TooManyRequests);
}
