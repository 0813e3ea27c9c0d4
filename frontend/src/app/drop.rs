//! Files from a drop or a picker: walks dropped folders, and keeps each file beside what is known of it.

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry};

use crate::drop_list::Found;
use crate::outcome::Given;

/// What a person gave, in the same order twice.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) found: Vec<Found>,
    pub(super) files: Vec<File>,
    pub(super) given: Given,
}

impl Gathered {
    fn add(&mut self, path: Vec<String>, file: File) {
        self.found.push(Found { path, bytes: file.size() as u64, modified_ms: file.last_modified() as i64 });
        self.files.push(file);
    }
}

/// What was picked with an `<input type=file>`: of a folder, each file carries the path inside it.
pub(super) fn from_list(list: &FileList) -> Gathered {
    let mut gathered = Gathered::default();
    for file in (0..list.length()).filter_map(|at| list.get(at)) {
        let relative =
            Reflect::get(&file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
        let path = relative.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name());
        gathered.add(path.split('/').map(str::to_owned).collect(), file);
    }
    gathered
}

/// The dropped files and folders. Browsers show them during the drop event only, so this is to be called in it; the
/// entries stay usable for [`walk`].
pub(super) fn entries(transfer: &DataTransfer) -> Vec<FileSystemEntry> {
    let items = transfer.items();
    (0..items.length())
        .filter_map(|at| items.get(at))
        .filter_map(|item| item.webkit_get_as_entry().ok().flatten())
        .collect()
}

/// Everything beneath the dropped entries.
pub(super) async fn walk(entries: Vec<FileSystemEntry>) -> Gathered {
    let names = entries.iter().map(FileSystemEntry::name).collect();
    let mut gathered = Gathered { given: Given { names, ..Given::default() }, ..Gathered::default() };
    let mut open: Vec<(Vec<String>, FileSystemEntry)> =
        entries.into_iter().rev().map(|entry| (vec![entry.name()], entry)).collect();
    while let Some((path, entry)) = open.pop() {
        let read = if entry.is_directory() {
            children(entry.unchecked_ref()).await.map(|children| {
                open.extend(
                    children
                        .into_iter()
                        .rev()
                        .map(|child| ([path.clone(), vec![child.name()]].concat(), child)),
                );
            })
        } else {
            file(entry.unchecked_ref()).await.map(|file| gathered.add(path.clone(), file))
        };
        if read.is_err() {
            gathered.given.unreadable.push(path.join("/"));
        }
    }
    gathered
}

/// A directory's entries. The browser gives them in batches, and an empty one at the end.
async fn children(directory: &FileSystemDirectoryEntry) -> Result<Vec<FileSystemEntry>, JsValue> {
    let reader = directory.create_reader();
    let mut children = Vec::new();
    loop {
        let batch = promised(|done, failed| {
            // Throws only when called again before it has answered.
            let _ = reader.read_entries_with_callback_and_callback(done, failed);
        });
        let batch: Array = batch.await?.unchecked_into();
        if batch.length() == 0 {
            return Ok(children);
        }
        children.extend(batch.iter().map(JsCast::unchecked_into));
    }
}

async fn file(entry: &FileSystemFileEntry) -> Result<File, JsValue> {
    let file = promised(|done, failed| entry.file_with_callback_and_callback(done, failed)).await?;
    Ok(file.unchecked_into())
}

/// The answer of a function that takes two callbacks.
async fn promised(call: impl Fn(&Function, &Function)) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::new(&mut |done, failed| call(&done, &failed))).await
}
