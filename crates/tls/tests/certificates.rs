//! Certificates as they lie on a disk, and connections to who shows them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use testkit::Authority;
use testkit::authority::VALID;
use tls::{Certificate, Files, Roots, TlsError};
use tokio::net::TcpListener;

fn files(authority: &Authority) -> Files {
    Files { certificate: authority.certificate(), key: authority.key() }
}

/// Signs, and opens what was signed.
fn signed(authority: &Authority, name: &str, years: [i32; 2]) -> Certificate {
    authority.sign(name, years);
    Certificate::open(files(authority)).unwrap()
}

/// A server that shows its certificate, and its port.
async fn serve(certificate: &Certificate) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = certificate.acceptor();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(stream).await;
        }
    });
    port
}

/// Whether a client that trusts this authority takes the server for `localhost`. It gets no answer then either, but
/// only after the server is known to it.
async fn is_trusted(port: u16, authority: Option<&Authority>) -> bool {
    let root = authority.map(Authority::root);
    let http = tls::http(&Roots::with(root.as_deref()).unwrap()).no_proxy().build().unwrap();
    let sent = http.get(format!("https://localhost:{port}/")).send().await;
    !sent.expect_err("the server says nothing").is_connect()
}

#[tokio::test]
async fn a_server_is_who_its_authority_says_and_nobody_else() {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = serve(&signed(&authority, "localhost", VALID)).await;
    assert!(is_trusted(port, Some(&authority)).await);
    assert!(!is_trusted(port, Some(&other)).await, "of another authority");
    assert!(!is_trusted(port, None).await, "the system does not know the authority");

    let port = serve(&signed(&authority, "elsewhere", VALID)).await;
    assert!(!is_trusted(port, Some(&authority)).await, "of another name");
    let port = serve(&signed(&authority, "localhost", [2020, 2021])).await;
    assert!(!is_trusted(port, Some(&authority)).await, "expired");
    let port = serve(&signed(&authority, "localhost", [2190, 2200])).await;
    assert!(!is_trusted(port, Some(&authority)).await, "not valid yet");
}

#[tokio::test]
async fn a_new_pair_is_in_force_without_a_new_start_and_a_broken_one_never() {
    let (authority, next) = (Authority::new(), Authority::new());
    let certificate = signed(&authority, "localhost", VALID);
    let port = serve(&certificate).await;
    tokio::spawn(certificate.keep_current(Duration::from_millis(20)));
    let files = files(&authority);

    fs::write(&files.certificate, "nothing").unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(is_trusted(port, Some(&authority)).await, "what cannot be read is not used");

    next.sign("localhost", VALID);
    fs::copy(next.certificate(), &files.certificate).unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(is_trusted(port, Some(&authority)).await, "the old key does not belong to it");

    fs::copy(next.key(), &files.key).unwrap();
    while !is_trusted(port, Some(&next)).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!is_trusted(port, Some(&authority)).await);
}

#[test]
fn files_that_cannot_be_used_are_told_apart() {
    let authority = Authority::new();
    let files = files(&authority);
    let open = || Certificate::open(files.clone()).err().unwrap();
    assert!(matches!(open(), TlsError::Read { .. }));
    authority.sign("localhost", VALID);
    for mode in [0o640, 0o604, 0o644] {
        fs::set_permissions(&files.key, Permissions::from_mode(mode)).unwrap();
        assert!(matches!(open(), TlsError::Exposed(_)), "{mode:o}");
    }
    fs::set_permissions(&files.key, Permissions::from_mode(0o400)).unwrap();
    assert!(Certificate::open(files.clone()).is_ok());
    let key = fs::read(&files.key).unwrap();
    authority.sign("localhost", VALID);
    fs::write(&files.key, key).unwrap();
    assert!(matches!(open(), TlsError::Pair { .. }), "a key of another certificate");
    fs::write(&files.key, "nothing").unwrap();
    assert!(matches!(open(), TlsError::Nothing { what: "private key", .. }));
    fs::write(&files.certificate, "nothing").unwrap();
    assert!(matches!(open(), TlsError::Nothing { what: "certificate", .. }));
    assert!(matches!(Roots::with(Some(&files.certificate)), Err(TlsError::Nothing { .. })));
}
