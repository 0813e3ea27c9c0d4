//! The agent's optional listener for an operator's monitoring: `/livez`, `/readyz`, `/metrics`, and nothing else.
//!
//! On loopback alone, and by source ids alone: paths and names are nobody's but their owner's.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use exposition::{CONTENT_TYPE, Registry, count, families, flag, timestamp};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE as CONTENT_TYPE_HEADER, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::control::{self, Answer, Question, Reply};
use crate::report::{Activity, AgentReport, FolderReport};

/// For a request's head to arrive.
const HEADER: Duration = Duration::from_secs(10);
/// For the agent to say how it is: its loop never waits for a disk or the network.
const ANSWER: Duration = Duration::from_secs(10);
/// The wait after a connection could not be taken.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

families! { ALL:
    ONLINE = Gauge "triplicate_agent_online" "1 if the coordinator answered last.";
    BACKUP = Gauge "triplicate_agent_backup_timestamp_seconds" "When the folder's newest snapshot was made.";
    PROVEN = Gauge "triplicate_agent_proven_timestamp_seconds" "When a sample was last restored and compared.";
    SCANNED = Gauge "triplicate_agent_scanned_timestamp_seconds" "When all of the folder was last looked at.";
    FILES = Gauge "triplicate_agent_files" "Files of the folder's newest snapshot.";
    BYTES = Gauge "triplicate_agent_files_bytes" "Their bytes.";
    QUEUED = Gauge "triplicate_agent_queued_paths" "Paths that may have changed and wait to be looked at.";
    UNREADABLE = Gauge "triplicate_agent_unreadable_files" "Files that are missing from the newest snapshot.";
    UNRESTORABLE = Gauge "triplicate_agent_unrestorable_files" "Files that could not be restored when that was last tried.";
    FAILING = Gauge "triplicate_agent_failing" "1 if the last attempt to back the folder up failed.";
    HELD = Gauge "triplicate_agent_held" "1 if the folder waits for a person.";
    PAUSED = Gauge "triplicate_agent_paused" "1 if the folder's owner paused it.";
    OVERFLOWS = Counter "triplicate_agent_event_overflows_total" "How often the system lost events of the folder.";
}

/// Who listens, and whom it asks.
#[derive(Clone)]
struct Observer {
    questions: mpsc::UnboundedSender<Question>,
    started_ms: u64,
}

/// Listens until the program ends. `started_ms` in Unix milliseconds.
///
/// # Errors
/// When the address cannot be listened on, or is not this machine's own.
pub(crate) async fn listen(
    address: SocketAddr,
    questions: mpsc::UnboundedSender<Question>,
    started_ms: u64,
) -> io::Result<()> {
    if !address.ip().is_loopback() {
        let why =
            "metrics are for programs on this machine: the address must be one of loopback, like 127.0.0.1";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let listener = TcpListener::bind(address).await?;
    let observer = Observer { questions, started_ms };
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve(stream, observer.clone()))),
                Err(error) => {
                    // As when no more files may be open: later it goes on.
                    tracing::warn!(%error, "a program on this machine could not ask for metrics");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    });
    Ok(())
}

async fn serve(stream: TcpStream, observer: Observer) {
    let service = service_fn(move |request: Request<Incoming>| {
        let observer = observer.clone();
        async move { Ok::<_, Infallible>(observer.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
}

impl Observer {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return answer(StatusCode::METHOD_NOT_ALLOWED, String::new());
        }
        match request.uri().path() {
            "/livez" => answer(StatusCode::NO_CONTENT, String::new()),
            "/readyz" => match self.ask().await {
                Some(_) => answer(StatusCode::NO_CONTENT, String::new()),
                None => answer(StatusCode::SERVICE_UNAVAILABLE, String::new()),
            },
            "/metrics" => match self.ask().await {
                Some(report) => answer(StatusCode::OK, render(&report, self.started_ms)),
                None => answer(StatusCode::SERVICE_UNAVAILABLE, String::new()),
            },
            _ => answer(StatusCode::NOT_FOUND, String::new()),
        }
    }

    /// How the agent is; none if its loop does not answer.
    async fn ask(&self) -> Option<AgentReport> {
        let (replies, mut answers) = mpsc::unbounded_channel();
        self.questions.send(Question { request: control::Request::Status, replies }).ok()?;
        match tokio::time::timeout(ANSWER, answers.recv()).await.ok()?? {
            Reply::Done { answer: Answer::Status(report) } => Some(*report),
            _ => None,
        }
    }
}

fn answer(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE_HEADER, HeaderValue::from_static(CONTENT_TYPE));
    response
}

fn render(report: &AgentReport, started_ms: u64) -> String {
    let registry = Registry::of_program(ALL, &report.version, started_ms);
    registry.gauge(ONLINE, &[]).set(flag(report.online));
    for folder in &report.folders {
        tell_folder(&registry, folder);
    }
    registry.render()
}

fn tell_folder(registry: &Registry, folder: &FolderReport) {
    let source = folder.source.to_string();
    let labels = [("source", &*source)];
    let gauge = |family, value| registry.gauge(family, &labels).set(value);
    gauge(BACKUP, folder.backup_ms.map_or(0.0, timestamp));
    gauge(PROVEN, folder.proven_ms.map_or(0.0, timestamp));
    gauge(SCANNED, folder.full_scan_ms.map_or(0.0, timestamp));
    gauge(FILES, count(folder.files));
    gauge(BYTES, count(folder.bytes));
    gauge(QUEUED, count(folder.queued));
    gauge(UNREADABLE, count(folder.unreadable));
    gauge(UNRESTORABLE, count(folder.unrestorable.len() as u64));
    gauge(FAILING, flag(folder.failure.is_some()));
    gauge(HELD, flag(folder.hold.is_some()));
    gauge(PAUSED, flag(folder.activity == Activity::Paused));
    registry.counter(OVERFLOWS, &labels).absolute(folder.overflows);
}
