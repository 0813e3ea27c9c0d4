//! Loopback ports, and the one HTTP request that tells whether a server is ready.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

/// Whether nothing listens on this loopback port.
pub fn is_port_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// A loopback port that nothing uses. It is not reserved: another program may take it first.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A loopback port that nothing uses, and that the system gives to no outgoing connection: a server that is killed gets
/// it back.
pub fn lasting_port() -> io::Result<u16> {
    // Where Linux does not take the ports of outgoing connections from, if nobody told it otherwise.
    const FIRST: u16 = 10_000;
    const COUNT: u64 = 22_000;
    for _ in 0..100 {
        let random = RandomState::new().build_hasher().finish();
        let port = FIRST + u16::try_from(random % COUNT).expect("fewer than there are ports");
        if is_port_free(port) {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port below those of outgoing connections"))
}

/// The first of `count` neighbouring free loopback ports, looked for a hundred times.
pub fn free_ports(count: u16) -> io::Result<u16> {
    for _ in 0..100 {
        let first = free_port()?;
        let fits = first.checked_add(count).is_some();
        if fits && (first..first + count).all(is_port_free) {
            return Ok(first);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no {count} neighbouring free ports")))
}

/// The status of `GET path` from a loopback server, which has two seconds to answer.
pub fn get_status(port: u16, path: &str) -> io::Result<u16> {
    let limit = Duration::from_secs(2);
    let stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    status_over(stream, port, path)
}

/// The same over a connection that is there already.
pub fn status_over(mut stream: impl Read + Write, port: u16, path: &str) -> io::Result<u16> {
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    line.split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP"))
}
