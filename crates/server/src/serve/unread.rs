//! Answers that their client does not take, on a connection that carries several: a socket that moves says nothing of
//! each of them. Memory is held for them.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;

/// What is given to the connection at once. A client has [`Unread::longer_than`]'s limit for so much.
const PIECE: usize = 64 << 10;

/// The answers of one connection.
#[derive(Clone, Default)]
pub(super) struct Unread(Arc<Mutex<Answers>>);

#[derive(Default)]
struct Answers {
    next: u64,
    /// Those of which something was given to the connection that it did not yet ask more after, and since when.
    waiting: HashMap<u64, Instant>,
}

/// An answer's body.
pub(super) struct Watched {
    body: Body,
    /// What the body gave and the connection does not have yet.
    rest: Bytes,
    number: u64,
    answers: Unread,
}

impl Unread {
    /// The body, whose client is watched.
    pub(super) fn watch(&self, body: Body) -> Watched {
        let mut answers = self.lock();
        answers.next += 1;
        Watched { body, rest: Bytes::new(), number: answers.next, answers: self.clone() }
    }

    /// Waits until some answer was not taken for so long.
    pub(super) async fn longer_than(&self, limit: Duration) {
        loop {
            let oldest = self.lock().waiting.values().min().copied();
            let until = oldest.unwrap_or_else(Instant::now) + limit;
            if oldest.is_some() && until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        let len = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(len)))))
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = self.poll_piece(cx);
        let mut answers = self.answers.lock();
        match &polled {
            Poll::Ready(Some(Ok(_))) => drop(answers.waiting.insert(self.number, Instant::now())),
            Poll::Ready(_) | Poll::Pending => drop(answers.waiting.remove(&self.number)),
        }
        drop(answers);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of_body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.answers.lock().waiting.remove(&self.number);
    }
}
