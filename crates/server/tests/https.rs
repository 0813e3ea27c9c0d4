//! Serving by TLS, with the certificates of a real authority and clients that check them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use futures_util::StreamExt as _;
use reqwest::{Client, Version};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use server::serve::{ReaderLimits, ServeLimits, serve};
use server::tls::TlsOptions;
use testkit::Authority;
use testkit::authority::VALID;
use tls::Roots;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// An answer that no socket's buffers hold.
const LARGE: usize = 64 << 20;

struct Server {
    origin: String,
    authority: Authority,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(limits: ServeLimits) -> Self {
        let authority = Authority::new();
        authority.sign("localhost", VALID);
        let options = TlsOptions {
            tls_certificate: Some(authority.certificate()),
            tls_key: Some(authority.key()),
            tls_ca: None,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let router = Router::new()
            .route("/small", get(async || "small"))
            .route("/large", get(async || Body::from(Bytes::from(vec![7; LARGE]))))
            .route("/events", get(async || Body::from_stream(events())));
        let (stop, stopped) = oneshot::channel();
        let stopped = async { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, options.acceptor().unwrap(), router, limits, stopped));
        Self { origin, authority, stop, task }
    }

    fn client(&self) -> reqwest::ClientBuilder {
        tls::http(&Roots::with(Some(&self.authority.root())).unwrap()).no_proxy()
    }

    /// One that knows no newer version.
    fn old_client(&self) -> reqwest::ClientBuilder {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority.root()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Client::builder().tls_backend_preconfigured(config).http1_only().no_proxy()
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// One now, and the next never.
fn events() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    async_stream::stream! {
        yield Ok(Bytes::from_static(b"event"));
        std::future::pending::<()>().await;
    }
}

/// What is not taken ends soon.
fn impatient() -> ServeLimits {
    let idle = Duration::from_millis(300);
    ServeLimits { reader: ReaderLimits { idle, ..ReaderLimits::default() }, ..ServeLimits::default() }
}

#[tokio::test]
async fn who_can_speaks_http_2_and_who_cannot_http_1() {
    let server = Server::start(ServeLimits::default()).await;
    for (client, version) in [(server.client(), Version::HTTP_2), (server.old_client(), Version::HTTP_11)] {
        let answer = client.build().unwrap().get(server.at("/small")).send().await.unwrap();
        assert_eq!(answer.version(), version);
        assert_eq!(answer.text().await.unwrap(), "small");
    }
}

#[tokio::test]
async fn without_tls_nothing_is_said() {
    let server = Server::start(ServeLimits::default()).await;
    let plain = server.at("/small").replace("https:", "http:");
    assert!(server.client().build().unwrap().get(plain).send().await.is_err());
}

#[tokio::test]
async fn answers_of_one_connection_do_not_wait_for_each_other_and_arrive_whole() {
    let server = Server::start(impatient()).await;
    let client = server.client().build().unwrap();
    let mut events = client.get(server.at("/events")).send().await.unwrap().bytes_stream();
    assert_eq!(events.next().await.unwrap().unwrap(), "event");
    let large = client.get(server.at("/large")).send().await.unwrap();
    assert_eq!(large.content_length(), Some(LARGE as u64));
    let large = large.bytes().await.unwrap();
    assert!(large.len() == LARGE && large.iter().all(|byte| *byte == 7));
    // Who waits for the next event is not slow.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.get(server.at("/small")).send().await.unwrap().text().await.unwrap(), "small");
    let waits = tokio::time::timeout(Duration::from_millis(50), events.next()).await;
    assert!(waits.is_err(), "the stream goes on");
}

#[tokio::test]
async fn who_does_not_take_an_answer_loses_it_with_either_version() {
    let server = Server::start(impatient()).await;
    for client in [server.client(), server.old_client()] {
        let client: Client = client.http2_adaptive_window(false).build().unwrap();
        let mut large = client.get(server.at("/large")).send().await.unwrap().bytes_stream();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let mut taken = 0;
        let ended = loop {
            match large.next().await {
                Some(Ok(bytes)) => taken += bytes.len(),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(ended && taken < LARGE, "{taken}");
    }
}

#[tokio::test]
async fn a_request_under_way_is_finished_when_the_server_stops() {
    let server = Server::start(ServeLimits::default()).await;
    let client = server.client().build().unwrap();
    let large = client.get(server.at("/large")).send().await.unwrap();
    server.stop.send(()).unwrap();
    assert_eq!(large.bytes().await.unwrap().len(), LARGE);
    server.task.await.unwrap();
}
