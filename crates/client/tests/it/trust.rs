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

use crate::native::{Device, LOGIN, PASSPHRASE, back_up, noise, path};

/// Changes what the coordinator stored, as its operator could.
pub(crate) fn tamper(cluster: &Cluster, sql: &str) {
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
    assert_eq!(vault.list(vault.uploads().expect("uploads"), &path("")).await.expect("lists").len(), 1);
}

#[tokio::test]
async fn any_edit_of_the_log_is_a_hard_stop() {
    let cluster = Cluster::start(3).await;
    let device = Device::default();
    let vault = device.sign_up(&cluster).await.open_vault().await.expect("opens");
    for n in 1..=4 {
        back_up(&vault, &[("file", noise(n, 5000))]).await.expect("backs up");
    }
    tamper(
        &cluster,
        "CREATE TABLE true_log AS SELECT * FROM commits; CREATE TABLE true_vaults AS SELECT * FROM vaults",
    );
    let swap = "UPDATE commits a SET envelope = b.envelope, hash = b.hash FROM true_log b";
    let edits = [
        (
            "a changed bit",
            "UPDATE commits SET envelope = set_byte(envelope, 200, get_byte(envelope, 200) # 1) WHERE seq = 2",
        ),
        (
            "a changed signature",
            "UPDATE commits SET envelope = set_byte(envelope, octet_length(envelope) - 1, get_byte(envelope, octet_length(envelope) - 1) # 1) WHERE seq = 4",
        ),
        ("two swapped", &format!("{swap} WHERE (a.seq, b.seq) IN ((2, 3), (3, 2))")),
        ("one replayed in the place of another", &format!("{swap} WHERE (a.seq, b.seq) = (4, 3)")),
        ("one left out", "DELETE FROM commits WHERE seq = 2"),
        (
            "the end cut off",
            "DELETE FROM commits WHERE seq = 4; UPDATE vaults SET head_seq = 3, head_hash = (SELECT hash FROM commits WHERE seq = 3)",
        ),
        ("nothing left", "DELETE FROM commits; UPDATE vaults SET head_seq = -1, head_hash = NULL"),
    ];
    for (what, sql) in edits {
        tamper(&cluster, sql);
        let opened = async { device.sign_in(&cluster).await?.open_vault().await };
        let error = opened.await.err();
        assert!(matches!(error, Some(Error::Untrusted(_))), "{what}: {error:?}");
        tamper(
            &cluster,
            "DELETE FROM commits; INSERT INTO commits SELECT * FROM true_log;
             UPDATE vaults v SET head_seq = t.head_seq, head_hash = t.head_hash FROM true_vaults t WHERE t.id = v.id",
        );
        device.open(&cluster).await;
    }
}

#[tokio::test]
async fn a_vault_added_or_hidden_by_the_server_is_refused() {
    let cluster = Cluster::start(1).await;
    let device = Device::default();
    device.sign_up(&cluster).await;
    tamper(
        &cluster,
        "INSERT INTO vaults (account_id, public_id, head_seq, head_hash)
         SELECT account_id, decode(repeat('ab', 16), 'hex'), head_seq, head_hash FROM vaults;
         INSERT INTO vault_keys (vault_id, epoch, wrap)
         SELECT v.id, 1, k.wrap FROM vault_keys k, vaults v WHERE v.id <> k.vault_id",
    );
    let error = device.sign_in(&cluster).await.err().expect("refused");
    assert!(error.to_string().contains("a vault that the account does not have"), "{error}");
    tamper(
        &cluster,
        "DELETE FROM vault_keys; DELETE FROM vaults WHERE public_id = decode(repeat('ab', 16), 'hex')",
    );
    let error = device.sign_in(&cluster).await.err().expect("refused");
    assert!(error.to_string().contains("hides a vault"), "{error}");
}

#[tokio::test]
async fn what_the_server_claims_to_hold_and_does_not_give_back_ends_unverified() {
    // An audit that came before the client would empty the node.
    let mut cluster = Cluster::start_with(1, &[("TRIPLICATE_AUDIT_FAILURES", "1000")]).await;
    let vault = Device::default().sign_up(&cluster).await.open_vault().await.expect("opens");
    let files = [("file", noise(1, 3 << 20))];
    back_up(&vault, &files).await.expect("backs up");
    // The node's packs are emptied behind its back; the coordinator still counts the copies.
    cluster.kill_node(0);
    for pack in std::fs::read_dir(cluster.node_folder(0).join("packs")).expect("packs") {
        let file =
            std::fs::OpenOptions::new().write(true).open(pack.expect("a pack").path()).expect("a pack");
        let bytes = file.metadata().expect("a size").len();
        file.set_len(8192).and_then(|()| file.set_len(bytes)).expect("truncates");
    }
    cluster.start_node(0).await;
    let error = back_up(&vault, &files).await.expect_err("the chunks are gone");
    assert!(matches!(error, Error::Unverified(_)), "{error:?}");
    assert!(!vault.refresh().await.expect("still there"), "no commit appeared");
}
