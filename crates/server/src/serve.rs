//! Serving HTTP/1.1: accepts connections, bounds how long a client may take, and stops without cutting off answers.

mod slow_reader;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};

pub use slow_reader::ReaderLimits;
use slow_reader::SlowReaderGuard;

/// How long clients may take.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// For a request's head to arrive; also how long a connection may wait for its next request.
    pub header: Duration,
    /// For taking an answer.
    pub reader: ReaderLimits,
    /// After [`serve`] was asked to stop: for requests under way to finish.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { header: seconds(10), reader: ReaderLimits::default(), drain: seconds(20) }
    }
}

/// Handlers find the client's address as [`ConnectInfo`]. Serves until `stop` completes, then lets requests under way finish for at most [`ServeLimits::drain`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ServeLimits,
    stop: impl Future<Output = ()>,
) {
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => start_connection(stream, peer, router.clone(), limits, &graceful),
            Err(error) => {
                // Out of file descriptors, most likely: a pause lets connections end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and are cut off");
    }
}

fn start_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: ServeLimits,
    graceful: &GracefulShutdown,
) {
    // Answers are written whole; waiting to fill packets would only delay their ends.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
        let router = router.clone();
        request.extensions_mut().insert(ConnectInfo(peer));
        async move { Ok::<_, Infallible>(answer(router, request.map(axum::body::Body::new)).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .serve_connection(TokioIo::new(SlowReaderGuard::new(stream, limits.reader)), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

async fn answer(router: Router, request: Request) -> axum::response::Response {
    use tower::ServiceExt as _;
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
