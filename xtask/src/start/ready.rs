//! Asks a program of this machine whether it is ready, by http or https.

use std::{
    net::{Ipv4Addr, TcpStream},
    sync::Arc,
    time::Duration,
};

use anyhow::Result;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use supervise::net::{get_status, status_over};

const PATH: &str = "/readyz";
const LIMIT: Duration = Duration::from_secs(2);

/// Where a program says whether it is ready.
pub(super) struct Probe {
    pub(super) port: u16,
    /// Whom to trust, if it serves https.
    pub(super) tls: Option<Arc<ClientConfig>>,
}

impl Probe {
    pub(super) fn is_ready(&self) -> bool {
        let status = match &self.tls {
            None => get_status(self.port, PATH).map_err(anyhow::Error::from),
            Some(tls) => self.get_status_by_tls(tls),
        };
        status.is_ok_and(|status| (200..300).contains(&status))
    }

    fn get_status_by_tls(&self, tls: &Arc<ClientConfig>) -> Result<u16> {
        let stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, self.port).into(), LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let connection = ClientConnection::new(tls.clone(), "localhost".try_into()?)?;
        Ok(status_over(StreamOwned::new(connection, stream), self.port, PATH)?)
    }
}
