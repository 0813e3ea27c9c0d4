//! What a browser is told of other origins.

use reqwest::Method;

use crate::support::{Blob, Coordinator, Node, Setup, WEB_ORIGIN};

#[tokio::test]
async fn a_preflight_from_the_web_app_gets_exactly_this_answer() {
    let node = Node::start(&Coordinator::start().await, Setup::default()).await;
    let request = node.http.request(Method::OPTIONS, node.at_path("/v1/blobs")).header("origin", WEB_ORIGIN);
    let request = request.header("access-control-request-method", "POST");
    let response = request.header("access-control-request-headers", "content-type").send().await.unwrap();

    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("access-control-allow-origin"), WEB_ORIGIN);
    assert_eq!(header("access-control-allow-methods"), "GET,HEAD,PUT,POST");
    assert_eq!(
        header("access-control-allow-headers"),
        "authorization,content-type,triplicate-generation,x-request-id"
    );
    assert_eq!(header("access-control-max-age"), "7200");
    assert_eq!(header("vary"), "origin");
    assert!(!response.headers().contains_key("access-control-allow-credentials"));
    node.stop().await;
}

#[tokio::test]
async fn answers_and_errors_name_the_web_app_and_expose_what_it_reads() {
    let node = Node::start(&Coordinator::start().await, Setup::default()).await;
    let url = node.blob_url(Blob::random(1, 5000).stored.id);
    let response = node.http.get(url).header("origin", WEB_ORIGIN).send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.headers()["access-control-allow-origin"], WEB_ORIGIN);
    assert_eq!(response.headers()["vary"], "origin");
    let exposed = "content-length,retry-after,triplicate-generation,x-request-id";
    assert_eq!(response.headers()["access-control-expose-headers"], exposed);
    node.stop().await;
}

#[tokio::test]
async fn other_origins_are_not_named() {
    let node = Node::start(&Coordinator::start().await, Setup::default()).await;
    let others = [
        "https://backup.example.evil.example",
        "http://backup.example",
        "https://backup.example:444",
        "null",
    ];
    for origin in others {
        let request = node.http.request(Method::OPTIONS, node.at_path("/v1/blobs")).header("origin", origin);
        let response = request.header("access-control-request-method", "POST").send().await.unwrap();
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{origin}");
        assert_eq!(response.headers()["vary"], "origin");
    }
    node.stop().await;
}
