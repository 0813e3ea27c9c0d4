//! A file that a person gave to the page, read in slices, so that one of any size takes little memory.

use std::cell::Cell;

use client::ReadAt;
use futures_util::future::LocalBoxFuture;
use futures_util::{AsyncReadExt as _, FutureExt as _};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_streams::ReadableStream;
use wasm_streams::readable::IntoAsyncRead;
use web_sys::{Blob, File};

/// Reading on from where the last slice ended is cheap: one stream, and one array that is filled again and again.
pub(super) struct PickedFile {
    file: File,
    reading: Cell<Option<Reading>>,
}

/// A stream and the offset in the file of its next byte.
struct Reading {
    offset: u64,
    stream: IntoAsyncRead<'static>,
}

impl PickedFile {
    pub(super) fn new(file: File) -> Self {
        Self { file, reading: Cell::default() }
    }

    async fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>, JsValue> {
        // Exact: a file has fewer than 2^53 bytes.
        let size = self.file.size() as u64;
        if offset == 0 && size <= len as u64 {
            return read_all(&self.file).await;
        }
        let len = size.saturating_sub(offset).min(len as u64) as usize;
        if len == 0 {
            return Ok(Vec::new());
        }
        let reading = match self.reading.take() {
            Some(reading) if reading.offset == offset => Some(reading),
            _ => self.open(offset)?,
        };
        let Some(mut reading) = reading else {
            return read_all(&self.file.slice_with_f64_and_f64(offset as f64, (offset + len as u64) as f64)?)
                .await;
        };
        let mut bytes = vec![0; len];
        reading.stream.read_exact(&mut bytes).await.map_err(|error| JsValue::from(error.to_string()))?;
        reading.offset += len as u64;
        self.reading.set(Some(reading));
        Ok(bytes)
    }

    /// `None` in browsers whose files do not fill arrays that they are given.
    fn open(&self, offset: u64) -> Result<Option<Reading>, JsValue> {
        let stream = self.file.slice_with_f64(offset as f64)?.stream();
        let stream = ReadableStream::from_raw(stream.unchecked_into()).try_into_async_read();
        Ok(stream.ok().map(|stream| Reading { offset, stream }))
    }
}

impl ReadAt for PickedFile {
    fn read_at(&self, offset: u64, len: usize) -> LocalBoxFuture<'_, Result<Vec<u8>, String>> {
        // Browsers do not say why.
        let unreadable = |_| "it was changed, moved or removed since it was picked".to_owned();
        async move { self.read(offset, len).await.map_err(unreadable) }.boxed_local()
    }
}

async fn read_all(blob: &Blob) -> Result<Vec<u8>, JsValue> {
    Ok(Uint8Array::new(&JsFuture::from(blob.array_buffer()).await?).to_vec())
}
