//! Serving HTTP/1.1, and with TLS also HTTP/2: accepts connections, bounds how long a client may take, and stops without
//! cutting off answers.

mod slow_reader;
mod unread;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tls::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

pub use slow_reader::ReaderLimits;
use slow_reader::SlowReaderGuard;
use unread::Unread;

/// How often a client that keeps a connection of HTTP/2 is asked whether it is still there.
const ALIVE: Duration = Duration::from_secs(20);

/// How long clients may take.
#[derive(Debug, Clone, Copy)]
pub struct ServeLimits {
    /// For a request's head to arrive; also how long a connection may wait for its next request, and for TLS to begin.
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

/// What every connection needs.
#[derive(Clone)]
struct Connections {
    router: Router,
    limits: ServeLimits,
    tls: Option<Acceptor>,
}

/// Handlers find the client's address as [`ConnectInfo`]. With an acceptor, serves TLS and nothing else. Serves until
/// `stop` completes, then lets requests under way finish for at most [`ServeLimits::drain`].
pub async fn serve(
    listener: TcpListener,
    tls: Option<Acceptor>,
    router: Router,
    limits: ServeLimits,
    stop: impl Future<Output = ()>,
) {
    let connections = Connections { router, limits, tls };
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => connections.start(stream, peer, graceful.watcher()),
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

impl Connections {
    fn start(&self, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Answers are written whole; waiting to fill packets would only delay their ends.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone at once");
            return;
        }
        let connections = self.clone();
        tokio::spawn(async move {
            let stream = SlowReaderGuard::new(stream, connections.limits.reader);
            let ended = match connections.tls.clone() {
                None => connections.serve_http1(stream, peer, watcher).await,
                Some(acceptor) => connections.serve_tls(&acceptor, stream, peer, watcher).await,
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }

    async fn serve_tls(
        self,
        acceptor: &Acceptor,
        stream: SlowReaderGuard<TcpStream>,
        peer: SocketAddr,
        watcher: Watcher,
    ) -> io::Result<()> {
        let begun = tokio::time::timeout(self.limits.header, acceptor.accept(stream)).await;
        let stream = begun.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if tls::is_http2(&stream) {
            self.serve_http2(stream, peer, watcher).await
        } else {
            self.serve_http1(stream, peer, watcher).await
        }
    }

    async fn serve_http1(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: Watcher,
    ) -> io::Result<()> {
        let router = self.router;
        let service = service_fn(move |request| answer(router.clone(), peer, request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .serve_connection(TokioIo::new(stream), service);
        watcher.watch(connection).await.map_err(io::Error::other)
    }

    async fn serve_http2(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: SocketAddr,
        watcher: Watcher,
    ) -> io::Result<()> {
        let unread = Unread::default();
        let (router, answers) = (self.router, unread.clone());
        let service = service_fn(move |request| {
            let (router, answers) = (router.clone(), answers.clone());
            async move {
                answer(router, peer, request).await.map(|response| response.map(|body| answers.watch(body)))
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .adaptive_window(true)
            .keep_alive_interval(ALIVE)
            .keep_alive_timeout(self.limits.header)
            .serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            ended = watcher.watch(connection) => ended.map_err(io::Error::other),
            () = unread.longer_than(self.limits.reader.idle) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

async fn answer(
    router: Router,
    peer: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    use tower::ServiceExt as _;
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request.map(Body::new)).await
}
