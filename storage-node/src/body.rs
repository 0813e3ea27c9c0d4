//! Reads a request's body in the pieces that a route expects, and gives up on clients that stall.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use protocol::blob_list::StoredBlob;
use protocol::error::ErrorCode;
use server::error::ApiError;
use tokio::time::{Instant, timeout};

use crate::config::Limits;
use crate::store::{IncomingBlob, VerifiedBlob};

/// How long a refused request is listened to, so that its client reads the answer instead of a reset connection.
const DISCARD_FOR: Duration = Duration::from_secs(2);

/// A body on its way in.
pub(crate) struct BodyReader {
    stream: BodyDataStream,
    /// Arrived and not yet taken.
    pending: Bytes,
    idle: Duration,
    window: Duration,
    window_bytes_min: u64,
    window_start: Instant,
    window_bytes: u64,
}

impl BodyReader {
    pub(crate) fn new(body: Body, limits: &Limits) -> Self {
        Self {
            stream: body.into_data_stream(),
            pending: Bytes::new(),
            idle: limits.idle(),
            window: limits.rate_window(),
            window_bytes_min: limits.window_bytes_min(),
            window_start: Instant::now(),
            window_bytes: 0,
        }
    }

    /// Exactly so many bytes.
    pub(crate) async fn read_exact(&mut self, len: usize) -> Result<Vec<u8>, ApiError> {
        let mut out = Vec::with_capacity(len);
        while out.len() < len {
            let piece = self.take(len - out.len()).await?.ok_or_else(cut_short)?;
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }

    /// Everything, if it is not more than `len_max` bytes.
    pub(crate) async fn read_to_end(&mut self, len_max: usize) -> Result<Vec<u8>, ApiError> {
        let mut out = Vec::new();
        while let Some(piece) = self.take(usize::MAX).await? {
            if out.len() + piece.len() > len_max {
                return Err(ApiError::new(ErrorCode::TooLarge, "the request is too large"));
            }
            out.extend_from_slice(&piece);
        }
        Ok(out)
    }

    /// The next bytes as this blob, or [`ErrorCode::HashMismatch`].
    pub(crate) async fn read_blob(&mut self, blob: StoredBlob) -> Result<VerifiedBlob, ApiError> {
        let mut incoming = IncomingBlob::new(blob);
        while incoming.missing() > 0 {
            let piece = self.take(incoming.missing()).await?.ok_or_else(cut_short)?;
            incoming.push(&piece);
        }
        incoming
            .finish()
            .map_err(|error| ApiError::new(ErrorCode::HashMismatch, format!("{}: {error}", blob.id)))
    }

    /// The body must end here.
    pub(crate) async fn expect_end(&mut self) -> Result<(), ApiError> {
        match self.take(1).await? {
            None => Ok(()),
            Some(_) => Err(ApiError::new(ErrorCode::InvalidRequest, "more bytes than were announced")),
        }
    }

    /// Lets a client that is refused finish sending, for a moment.
    pub(crate) async fn discard(mut self) {
        let rest = async { while let Some(Ok(_)) = self.stream.next().await {} };
        // Whoever sends for longer finds the connection closed.
        drop(timeout(DISCARD_FOR, rest).await);
    }

    /// At most `len_max` bytes, at least one; none at the end.
    async fn take(&mut self, len_max: usize) -> Result<Option<Bytes>, ApiError> {
        while !self.pending.has_remaining() {
            match timeout(self.idle, self.stream.next()).await {
                Ok(Some(Ok(bytes))) => self.pending = bytes,
                Ok(Some(Err(_))) => return Err(cut_short()),
                Ok(None) => return Ok(None),
                Err(_) => return Err(too_slow()),
            }
            self.check_rate()?;
        }
        let len = self.pending.len().min(len_max);
        Ok(Some(self.pending.split_to(len)))
    }

    fn check_rate(&mut self) -> Result<(), ApiError> {
        self.window_bytes += self.pending.len() as u64;
        if self.window_start.elapsed() < self.window {
            return Ok(());
        }
        if self.window_bytes < self.window_bytes_min {
            return Err(too_slow());
        }
        (self.window_start, self.window_bytes) = (Instant::now(), 0);
        Ok(())
    }
}

fn cut_short() -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, "the request ended early")
}

fn too_slow() -> ApiError {
    ApiError::new(ErrorCode::RequestTimeout, "the request arrived too slowly")
}
