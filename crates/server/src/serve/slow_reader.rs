//! Ends connections whose client does not take its answer: memory is held for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How slowly a client may take an answer.
#[derive(Debug, Clone, Copy)]
pub struct ReaderLimits {
    /// Longest pause.
    pub idle: Duration,
    /// Fewest bytes in each window, while we wait for the client. 0: no such limit.
    pub window_bytes_min: u64,
    /// The window.
    pub window: Duration,
}

impl Default for ReaderLimits {
    /// At most 30 seconds of silence, at least 4 KiB/s over a minute.
    fn default() -> Self {
        let window = Duration::from_mins(1);
        Self { idle: Duration::from_secs(30), window_bytes_min: 60 * 4096, window }
    }
}

/// How long a client may take to end a connection that is over.
const LINGER: Duration = Duration::from_secs(2);

/// A stream whose writes fail with [`io::ErrorKind::TimedOut`] when the other side is too slow to take them.
pub(super) struct SlowReaderGuard<S> {
    stream: S,
    limits: ReaderLimits,
    /// Set while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Since writes began to wait: start and bytes of the current window.
    window: Option<(Instant, u64)>,
    /// Set while the client's end of the connection is waited for.
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S> SlowReaderGuard<S> {
    pub(super) fn new(stream: S, limits: ReaderLimits) -> Self {
        Self { stream, limits, waiting: None, window: None, lingering: None }
    }

    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.window.get_or_insert_with(|| (Instant::now(), 0));
        let idle = self.limits.idle;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn wrote(&mut self, bytes: usize) -> io::Result<()> {
        if self.waiting.take().is_none() {
            // The client keeps up.
            self.window = None;
            return Ok(());
        }
        if let Some((start, written)) = &mut self.window {
            *written += bytes as u64;
            if start.elapsed() >= self.limits.window {
                if *written < self.limits.window_bytes_min {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                self.window = None;
            }
        }
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> SlowReaderGuard<S> {
    fn poll_guarded(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write(Pin::new(&mut self.stream), cx) {
            Poll::Ready(Ok(bytes)) => Poll::Ready(self.wrote(bytes).map(|()| bytes)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_waiting(cx).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SlowReaderGuard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for SlowReaderGuard<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_guarded(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_guarded(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// Reads what the client still sends, briefly, and throws it away: to close a connection of which something is unread
    /// resets it, and the client loses the end of its answer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        let lingering = this.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        if lingering.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = [0; 4096];
        loop {
            let mut buf = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buf));
            if read.is_err() || buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
