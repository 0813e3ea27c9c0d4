//! The web app's files and the headers that bind browsers.

use std::fs;

use protocol::error::ErrorCode;
use reqwest::StatusCode;

use crate::support::{Answer, Node, Options, Server};

const PAGE: &str = "<!doctype html><script>alert('Hello, world.');</script>";

/// A server with a small app; the folder lives as long as the test.
async fn with_app() -> (Server, testkit::TempDir) {
    let folder = testkit::tempdir().unwrap();
    fs::write(folder.path().join("index.html"), PAGE).unwrap();
    fs::write(folder.path().join("worker.js"), "1").unwrap();
    fs::write(folder.path().join("app-0123456789abcdef_bg.wasm"), "wasm").unwrap();
    let web = Some(folder.path().to_owned());
    (Server::start_with(Options { web, ..Options::default() }).await, folder)
}

#[tokio::test]
async fn the_page_may_run_its_scripts_and_reach_the_nodes_and_nothing_else() {
    let (server, folder) = with_app().await;
    let node = Node::up(&server, "zone").await;
    let page = Answer::read(server.get("/")).await.expect_status(StatusCode::OK);
    let policy = page.headers["content-security-policy"].to_str().unwrap().replace("; ", ";\n");
    insta::assert_snapshot!(policy.replace(&node.url, "NODE"), @r"
    default-src 'none';
    script-src 'self' 'wasm-unsafe-eval' 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=';
    worker-src 'self';
    style-src 'self';
    style-src-attr 'unsafe-inline';
    font-src 'self';
    img-src 'self' blob:;
    media-src blob:;
    connect-src 'self' NODE;
    manifest-src 'self';
    object-src 'none';
    frame-src 'self';
    base-uri 'none';
    form-action 'none';
    frame-ancestors 'none';
    require-trusted-types-for 'script';
    trusted-types default
    ");
    // A worker obeys its own script's answer.
    let worker = Answer::read(server.get("/worker.js")).await;
    assert_eq!(worker.headers["content-security-policy"], page.headers["content-security-policy"]);
    // A new build is noticed without a restart.
    fs::write(folder.path().join("index.html"), "<script>other</script>").unwrap();
    let file = fs::File::options().write(true).open(folder.path().join("index.html")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let rebuilt = Answer::read(server.get("/")).await;
    assert_ne!(rebuilt.headers["content-security-policy"], page.headers["content-security-policy"]);
}

#[tokio::test]
async fn every_answer_tells_browsers_to_keep_to_themselves() {
    let (server, _folder) = with_app().await;
    for path in ["/", "/api/v1/accounts/registration", "/api/nothing"] {
        let headers = Answer::read(server.get(path)).await.headers;
        let names = [
            "x-content-type-options",
            "referrer-policy",
            "cross-origin-opener-policy",
            "cross-origin-resource-policy",
            "permissions-policy",
        ];
        let values: Vec<_> = names.iter().map(|name| headers[*name].to_str().unwrap()).collect();
        insta::allow_duplicates! { insta::assert_debug_snapshot!(values, @r#"
        [
            "nosniff",
            "no-referrer",
            "same-origin",
            "same-origin",
            "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
        ]
        "#); }
    }
}

#[tokio::test]
async fn what_is_named_by_its_hash_is_kept_and_the_rest_asked_for_again() {
    let (server, _folder) = with_app().await;
    let cache = async |path: &str| Answer::read(server.get(path)).await.headers["cache-control"].clone();
    assert_eq!(cache("/app-0123456789abcdef_bg.wasm").await, "public, max-age=31536000, immutable");
    for path in ["/", "/files/some/folder", "/worker.js"] {
        assert_eq!(cache(path).await, "no-cache");
    }
    assert_eq!(cache("/api/v1/accounts/registration").await, "no-store");
}

#[tokio::test]
async fn the_apps_own_paths_get_its_page_and_files_that_are_not_there_do_not() {
    let (server, _folder) = with_app().await;
    for path in ["/", "/setup", "/files/a/b"] {
        assert_eq!(Answer::read(server.get(path)).await.expect_status(StatusCode::OK).body, PAGE.as_bytes());
    }
    for path in ["/missing.js", "/api/v1/nothing", "/api", "/..%2fcoordinator%2fpepper.x", "/%2e%2e/pepper.x"]
    {
        Answer::read(server.get(path)).await.expect_code(ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn without_an_app_there_are_no_pages() {
    let server = Server::start().await;
    Answer::read(server.get("/")).await.expect_code(ErrorCode::NotFound);
}
