//! Making accounts.

use coordinator::config::Registration;
use futures_util::{StreamExt as _, stream};
use protocol::accounts::{
    PreloginRequest, PreloginResponse, RegisterRequest, RegistrationMode, RegistrationResponse,
};
use protocol::bytes::{Base64, Base64Array};
use protocol::error::ErrorCode;
use protocol::routes::coordinator as routes;
use protocol::signature::SigningKey;
use reqwest::StatusCode;

use crate::support::{Answer, Options, Person, Server, seal};

async fn registration(server: &Server) -> RegistrationResponse {
    Answer::read(server.call(routes::REGISTRATION, &[])).await.json()
}

async fn prelogin(server: &Server, login: &str) -> Answer {
    Answer::read(server.call(routes::PRELOGIN, &[]).json(&PreloginRequest { login: login.into() })).await
}

#[tokio::test]
async fn the_setup_link_makes_one_operator() {
    let server = Server::start().await;
    assert!(registration(&server).await.setup_required);
    let [a, b] = [Person::new("a"), Person::new("b")].map(|p| p.registration(Some(server.setup_token())));
    let (a, b) = tokio::join!(server.register(&a), server.register(&b));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::FORBIDDEN]);
    assert!(!registration(&server).await.setup_required);
    assert!(!server.folder.path().join("coordinator/setup-link").exists());
}

#[tokio::test]
async fn the_first_account_needs_the_right_link() {
    let server =
        Server::start_with(Options { registration: Some(Registration::Open), ..Options::default() }).await;
    let person = Person::new("a");
    for token in [None, Some("wrong".to_owned())] {
        server.register(&person.registration(token)).await.expect_code(ErrorCode::InvalidSetupToken);
    }
}

#[tokio::test]
async fn registration_is_closed_unless_opened() {
    let closed = Server::start().await;
    closed.register_operator().await;
    closed.register(&Person::new("b").registration(None)).await.expect_code(ErrorCode::RegistrationClosed);

    let open =
        Server::start_with(Options { registration: Some(Registration::Open), ..Options::default() }).await;
    open.register_operator().await;
    open.register_member("b").await;
    assert_eq!(registration(&open).await.mode, RegistrationMode::Open);
    open.register(&Person::new("b").registration(None)).await.expect_code(ErrorCode::LoginTaken);
}

#[tokio::test]
async fn a_registration_that_contradicts_itself_leaves_nothing() {
    let server = Server::start().await;
    let person = Person::new("a");
    let other = Person::new("b");
    let refuse = async |change: &dyn Fn(&mut RegisterRequest)| {
        let mut request = person.registration(Some(server.setup_token()));
        change(&mut request);
        server.register(&request).await.refusal()
    };
    let refusals = [
        refuse(&|r| r.login = "Upper".into()).await,
        refuse(&|r| r.iterations = 599_999).await,
        refuse(&|r| r.iterations = 700_000).await,
        refuse(&|r| r.account_salt = other.registration(None).account_salt).await,
        refuse(&|r| r.recovery_wrap = Base64(seal(0))).await,
        refuse(&|r| r.password_wrap = Base64(vec![1; 10])).await,
        refuse(&|r| r.account = other.account).await,
        refuse(&|r| r.identity = other.registration(None).identity).await,
        refuse(&|r| r.vault.vault = other.vault).await,
        refuse(&|r| r.vault.genesis = other.registration(None).vault.genesis).await,
        refuse(&|r| r.vault.genesis = Base64(person.settings(1, [1; 32]))).await,
    ];
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "InvalidRequest: a login is 1 to 64 printable characters without spaces, in lower case",
        "InvalidRequest: the password's derivation is outside the limits",
        "InvalidEnvelope: the state names another derivation of the password",
        "InvalidEnvelope: the state names another derivation of the password",
        "InvalidEnvelope: the state names another recovery wrap",
        "InvalidRequest: what is sealed has a size that it cannot have",
        "InvalidEnvelope: not this account's first state",
        "InvalidEnvelope: the signature does not verify",
        "InvalidEnvelope: the state does not list exactly the vault's first key",
        "InvalidEnvelope: breaks a rule: not sealed under the vault's newest key",
        "InvalidEnvelope: not the vault's first settings",
    ]
    "#);
    assert_eq!(server.sql_value("SELECT count(*)::text FROM accounts").await, "0");
    let request = person.registration(Some(server.setup_token()));
    server.register(&request).await.expect_status(StatusCode::CREATED);
}

#[tokio::test]
async fn an_unknown_login_is_answered_like_a_known_one() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let known: PreloginResponse = prelogin(&server, "operator").await.json();
    assert_eq!(known.account_salt.0, operator.state_body.kdf.account_salt);
    let fields = |answer: Answer| {
        let value: serde_json::Map<String, serde_json::Value> = answer.json();
        value.into_iter().map(|(name, value)| (name, value.to_string().len())).collect::<Vec<_>>()
    };
    let unknown: PreloginResponse = prelogin(&server, "nobody").await.json();
    assert_eq!(prelogin(&server, "nobody").await.json::<PreloginResponse>(), unknown);
    assert_ne!(prelogin(&server, "somebody").await.json::<PreloginResponse>(), unknown);
    let names = |fields: Vec<(String, usize)>| fields.into_iter().map(|field| field.0).collect::<Vec<_>>();
    let known = names(fields(prelogin(&server, "operator").await));
    assert_eq!(names(fields(prelogin(&server, "nobody").await)), known);
}

#[tokio::test]
async fn three_hundred_questions_make_a_network_wait() {
    let server = Server::start().await;
    stream::iter(0..300)
        .map(|number| prelogin(&server, if number % 2 == 0 { "operator" } else { "nobody" }))
        .buffer_unordered(8)
        .for_each(async |answer| drop(answer.expect_status(StatusCode::OK)))
        .await;
    let answer = prelogin(&server, "operator").await;
    assert_eq!(answer.headers["retry-after"], "60");
    answer.expect_code(ErrorCode::TooManyRequests);
    let registration = Person::new("a").registration(Some(server.setup_token()));
    server.register(&registration).await.expect_code(ErrorCode::TooManyRequests);
    // Another network has not asked yet.
    let elsewhere = server.call_from([127, 0, 1, 1], routes::REGISTER, &[]).header("x-triplicate", "1");
    Answer::read(elsewhere.json(&registration)).await.expect_status(StatusCode::CREATED);
}

#[tokio::test]
async fn a_repeated_registration_is_answered_like_the_first() {
    let server =
        Server::start_with(Options { registration: Some(Registration::Open), ..Options::default() }).await;
    let operator = Person::new("operator").registration(Some(server.setup_token()));
    let member = Person::new("member").registration(None);
    for request in [&operator, &member] {
        // At once, and again later: whose first answer was lost asks again.
        let (a, b) = tokio::join!(server.register(request), server.register(request));
        for answer in [a, b, server.register(request).await] {
            answer.expect_status(StatusCode::CREATED);
        }
    }
    assert_eq!(server.sql_value("SELECT count(*)::text FROM accounts").await, "2");
    // What differs in anything is another registration.
    let namesake = Person::new("member");
    let differences: [&dyn Fn(&mut RegisterRequest); 3] =
        [&|r| r.auth_key = Base64Array([0; 32]), &|r| r.login = "another".into(), &|r| {
            *r = RegisterRequest { login: r.login.clone(), ..namesake.registration(None) }
        }];
    let mut refusals = Vec::new();
    for differ in differences {
        let mut other = member.clone();
        differ(&mut other);
        refusals.push(server.register(&other).await.refusal());
    }
    insta::assert_debug_snapshot!(refusals, @r#"
    [
        "InvalidRequest: this account id is taken",
        "InvalidRequest: this account id is taken",
        "LoginTaken: somebody else has this login",
    ]
    "#);
}

#[tokio::test]
async fn the_database_alone_holds_nothing_to_guess_passwords_with() {
    let server = Server::start().await;
    let operator = server.register_operator().await;
    let row = server.sql_value("SELECT accounts::text FROM accounts").await;
    let request = operator.registration(None);
    assert!(row.contains(&hex::encode(&request.identity.as_bytes()[..])), "the search finds what is there");
    assert!(!row.contains(&hex::encode(&request.password_wrap.0)));
    assert!(!row.contains(&hex::encode(operator.auth_key)));
}

#[tokio::test]
async fn an_identity_that_is_not_a_key_is_an_invalid_envelope() {
    let server = Server::start().await;
    let mut person = Person::new("a");
    let request = person.registration(Some(server.setup_token()));
    person.identity = SigningKey::from_bytes(&[1; 32]);
    let forged = RegisterRequest { account_state: Base64(person.first_state()), ..request };
    server.register(&forged).await.expect_code(ErrorCode::InvalidEnvelope);
}
