//! A server that lies: each lie ends in a named error, and none in a secret or a file under a foreign key.

use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Json;
use client::Error;
use protocol::limits::{KDF_ITERATIONS_DEFAULT, KDF_ITERATIONS_MAX, KDF_ITERATIONS_MIN};
use serde_json::{Value, json};
use testkit::cluster::Cluster;

use crate::native::{Device, LOGIN, PASSPHRASE, back_up, noise};

/// Changes what the coordinator stored, as its operator could.
fn tamper(cluster: &Cluster, sql: &str) {
    let status = Command::new("psql")
        .args([&cluster.database().admin_url(), "--quiet", "--set", "ON_ERROR_STOP=1", "--command", sql])
        .status()
        .expect("psql is installed");
    assert!(status.success(), "{sql}");
}

/// Answers every request alike, and remembers their paths.
async fn server_that_answers(answer: Value) -> (String, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = |State((answer, seen)): State<(Value, Arc<Mutex<Vec<String>>>)>, request: Request| async move {
        seen.lock().expect("not poisoned").push(request.uri().path().to_owned());
        Json(answer)
    };
    let app = Router::new().fallback(handler).with_state((answer, seen.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (origin, seen)
}

#[tokio::test]
async fn a_weak_key_derivation_is_refused_before_anything_is_sent() {
    let salt = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    for (kdf_id, iterations) in [
        (1, 0),
        (1, 1),
        (1, KDF_ITERATIONS_MIN - 1),
        (1, KDF_ITERATIONS_MAX + 1),
        (1, u32::MAX),
        (2, 1_000_000),
    ] {
        let answer = json!({ "account_salt": salt, "kdf_id": kdf_id, "iterations": iterations });
        let (origin, seen) = server_that_answers(answer).await;
        let error = Device::default().client(&origin).sign_in(LOGIN, PASSPHRASE).await.err();
        assert!(matches!(error, Some(Error::Kdf(_))), "{kdf_id} {iterations}: {error:?}");
        assert_eq!(*seen.lock().expect("not poisoned"), ["/api/v1/accounts/prelogin"]);
    }
    for answer in [json!({}), json!({ "account_salt": salt, "kdf_id": 1, "iterations": "1000000" })] {
        let (origin, seen) = server_that_answers(answer).await;
        let error = Device::default().client(&origin).sign_in(LOGIN, PASSPHRASE).await.err();
        assert!(matches!(error, Some(Error::Untrusted(_))), "{error:?}");
        assert_eq!(seen.lock().expect("not poisoned").len(), 1);
    }
}

#[tokio::test]
async fn fewer_iterations_than_pinned_are_refused_before_anything_is_sent() {
    let cluster = Cluster::start(1).await;
    let device = Device::default();
    device.sign_up(&cluster).await;
    tamper(&cluster, &format!("UPDATE accounts SET iterations = {}", KDF_ITERATIONS_DEFAULT - 1));
    let error = device.sign_in(&cluster).await.err();
    assert!(matches!(error, Some(Error::Kdf(_))), "{error:?}");
    // A device without a pin computes a key that the server does not know.
    let error = Device::default().sign_in(&cluster).await.err();
    assert!(matches!(error, Some(Error::WrongPassword)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_passphrase_and_an_unknown_login_look_the_same() {
    let cluster = Cluster::start(1).await;
    let device = Device::default();
    device.sign_up(&cluster).await;
    let client = device.client(&cluster.origin);
    let wrong = client.sign_in(LOGIN, "another passphrase").await.err().expect("refused").to_string();
    let unknown = client.sign_in("bob@example.com", PASSPHRASE).await.err().expect("refused").to_string();
    assert_eq!(wrong, "the login or the passphrase is wrong");
    assert_eq!(wrong, unknown);
    // In whatever case the login is typed, and however the passphrase is composed.
    assert!(client.sign_in("Alice@Example.COM", PASSPHRASE).await.is_ok());
}

#[tokio::test]
async fn any_changed_bit_of_a_wrapped_key_is_the_same_refusal() {
    let cluster = Cluster::start(1).await;
    Device::default().sign_up(&cluster).await;
    for byte in [0, 5, 6, 8, 20, 50, 80, 110, 123] {
        let flip = format!("UPDATE vault_keys SET wrap = set_byte(wrap, {byte}, get_byte(wrap, {byte}) # 1)");
        tamper(&cluster, &flip);
        let error = Device::default().sign_in(&cluster).await.err().expect("refused");
        assert!(matches!(error, Error::Untrusted(_)), "{byte}: {error:?}");
        assert!(error.to_string().contains("damaged"), "{error}");
        tamper(&cluster, &flip);
    }
    assert!(Device::default().sign_in(&cluster).await.is_ok(), "put back, it opens again");
}

#[tokio::test]
async fn a_rolled_back_vault_is_a_hard_stop_for_who_saw_more() {
    let cluster = Cluster::start(3).await;
    let device = Device::default();
    let vault = device.sign_up(&cluster).await.open_vault().await.expect("opens");
    back_up(&vault, &[("first", noise(1, 5000))]).await.expect("backs up");
    back_up(&vault, &[("second", noise(2, 5000))]).await.expect("backs up");
    tamper(
        &cluster,
        "UPDATE vaults SET head_seq = 1, head_hash = (SELECT hash FROM commits WHERE seq = 1);
         DELETE FROM commits WHERE seq = 2",
    );
    let error = device.sign_in(&cluster).await.expect("signs in").open_vault().await.err().expect("refused");
    assert!(error.to_string().contains("less of this vault than before"), "{error}");
    // Who sees the vault for the first time cannot know.
    let vault = Device::default().open(&cluster).await;
    assert_eq!(vault.list(vault.uploads().expect("uploads"), &[]).await.expect("lists").len(), 1);
}

#[tokio::test]
async fn a_changed_commit_is_a_hard_stop() {
    let cluster = Cluster::start(3).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    back_up(&vault, &[("file", noise(1, 5000))]).await.expect("backs up");
    tamper(
        &cluster,
        "UPDATE commits SET envelope = set_byte(envelope, 200, get_byte(envelope, 200) # 1) WHERE seq = 1",
    );
    let error = Device::default().sign_in(&cluster).await.expect("signs in").open_vault().await.err();
    assert!(matches!(error, Some(Error::Untrusted(_))), "{error:?}");
}
