use std::io::ErrorKind;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use super::*;

/// Long enough that what has not come by then is held up.
const A_WHILE: Duration = Duration::from_millis(200);
const REQUEST: &[u8] = b"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Answers each piece that comes with [`ANSWER`], and tells what came.
async fn server(answer: &'static [u8]) -> (u16, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (came, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let came = came.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 4096];
                while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                    // The test has ended when nobody listens.
                    let _ = came.send(buffer[..len].to_vec());
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, received)
}

async fn connect(proxy: &Proxy) -> TcpStream {
    let address = proxy.origin.strip_prefix("http://localhost").expect("on loopback");
    TcpStream::connect(format!("127.0.0.1{address}")).await.expect("the proxy listens")
}

async fn ask(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    stream.write_all(REQUEST).await?;
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; ANSWER.len()];
    stream.read_exact(&mut buffer).await?;
    Ok(buffer)
}

#[tokio::test]
async fn without_a_fault_everything_passes() {
    let (port, mut received) = server(ANSWER).await;
    let proxy = Proxy::to(vec![port]).await;
    let mut stream = connect(&proxy).await;
    for _ in 0..3 {
        assert_eq!(ask(&mut stream).await.expect("an answer"), ANSWER);
        assert_eq!(received.recv().await.expect("a request"), REQUEST);
    }
    assert_eq!((proxy.answers(), proxy.failures()), (3, Vec::new()));
}

#[tokio::test]
async fn a_server_that_is_gone_is_passed_over() {
    let (port, _received) = server(ANSWER).await;
    let gone = lasting_port().expect("a port");
    let proxy = Proxy::to(vec![gone, port]).await;
    for _ in 0..4 {
        assert_eq!(ask(&mut connect(&proxy).await).await.expect("an answer"), ANSWER);
    }
}

#[tokio::test]
async fn what_is_delayed_or_slow_comes_later_and_whole() {
    let (port, _received) = server(ANSWER).await;
    let proxy = Proxy::to(vec![port]).await;
    for fault in [Fault::Delay(A_WHILE), Fault::Bandwidth(REQUEST.len() as u64)] {
        proxy.set(fault);
        let start = Instant::now();
        assert_eq!(ask(&mut connect(&proxy).await).await.expect("an answer"), ANSWER);
        assert!(start.elapsed() >= A_WHILE, "{fault:?}");
    }
}

#[tokio::test]
async fn a_reset_breaks_open_connections_and_new_ones() {
    let (port, _received) = server(ANSWER).await;
    let proxy = Proxy::to(vec![port]).await;
    let mut open = connect(&proxy).await;
    ask(&mut open).await.expect("an answer");
    proxy.set(Fault::Reset);
    let error = answer(&mut open).await.expect_err("it is broken");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    ask(&mut connect(&proxy).await).await.expect_err("nothing passes");
    proxy.mend();
    assert_eq!(ask(&mut connect(&proxy).await).await.expect("an answer"), ANSWER);
}

#[tokio::test]
async fn what_a_black_hole_swallowed_arrives_when_it_is_over() {
    let (port, mut received) = server(ANSWER).await;
    let proxy = Proxy::to(vec![port]).await;
    let mut open = connect(&proxy).await;
    ask(&mut open).await.expect("an answer");
    received.recv().await.expect("a request");
    proxy.set(Fault::BlackHole);
    let mut new = connect(&proxy).await;
    for stream in [&mut open, &mut new] {
        assert!(timeout(A_WHILE, ask(stream)).await.is_err(), "nothing comes back");
    }
    assert!(received.try_recv().is_err(), "nothing arrives");
    proxy.mend();
    for stream in [&mut open, &mut new] {
        assert_eq!(answer(stream).await.expect("an answer"), ANSWER);
    }
}

#[tokio::test]
async fn half_open_connections_lose_answers_and_are_reset_afterwards() {
    let (port, mut received) = server(ANSWER).await;
    let proxy = Proxy::to(vec![port]).await;
    let mut open = connect(&proxy).await;
    proxy.set(Fault::HalfOpen);
    assert!(timeout(A_WHILE, ask(&mut open)).await.is_err(), "no answer comes");
    assert_eq!(received.recv().await.expect("the request came"), REQUEST);
    proxy.mend();
    let error = answer(&mut open).await.expect_err("it is broken");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_connection_is_cut_after_so_many_bytes() {
    let (port, mut received) = server(ANSWER).await;
    let proxy = Proxy::to(vec![port]).await;
    proxy.set(Fault::CutAfter(REQUEST.len() as u64 + 7));
    let mut stream = connect(&proxy).await;
    assert_eq!(ask(&mut stream).await.expect("an answer"), ANSWER);
    ask(&mut stream).await.expect_err("it is cut within the second");
    assert_eq!(received.recv().await.expect("a request"), REQUEST);
}

#[tokio::test]
async fn a_duplicated_request_comes_twice_and_is_answered_once() {
    let (port, mut received) = server(ANSWER).await;
    let proxy = Proxy::to(vec![port]).await;
    let mut before = connect(&proxy).await;
    ask(&mut before).await.expect("an answer");
    received.recv().await.expect("a request");
    proxy.set(Fault::Duplicate(Duration::ZERO));
    answer(&mut before).await.expect_err("connections from before are reset");
    let mut stream = connect(&proxy).await;
    assert_eq!(ask(&mut stream).await.expect("an answer"), ANSWER);
    for _ in 0..2 {
        assert_eq!(received.recv().await.expect("a request"), REQUEST);
    }
    assert!(timeout(A_WHILE, answer(&mut stream)).await.is_err(), "no second answer");
}

#[tokio::test]
async fn a_lost_answer_is_the_last_that_happens_until_the_link_is_mended() {
    let (port, mut received) = server(ANSWER).await;
    let proxy = Proxy::to(vec![port]).await;
    proxy.lose_answer_of("POST /x");
    ask(&mut connect(&proxy).await).await.expect_err("lost");
    proxy.answer_is_lost().await;
    assert_eq!(received.recv().await.expect("it came"), REQUEST);
    ask(&mut connect(&proxy).await).await.expect_err("nothing passes");
    proxy.mend();
    assert_eq!(ask(&mut connect(&proxy).await).await.expect("an answer"), ANSWER);
}

#[tokio::test]
async fn failures_of_the_server_are_noted_and_what_is_only_not_now_is_not() {
    let heads: [&[u8]; 3] = [
        b"HTTP/1.1 503 Service Unavailable\r\n\r\nxx",
        b"HTTP/1.1 507 Insufficient Storage\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
    ];
    let mut noted = Vec::new();
    for head in heads {
        let (port, _received) = server(head).await;
        let proxy = Proxy::to(vec![port]).await;
        let mut stream = connect(&proxy).await;
        stream.write_all(REQUEST).await.expect("sends");
        stream.read_u8().await.expect("an answer");
        noted.extend(proxy.failures());
    }
    assert_eq!(noted, [String::from_utf8_lossy(heads[2])]);
}
