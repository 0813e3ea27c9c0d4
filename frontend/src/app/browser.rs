//! Small questions to the browser.

use js_sys::{Date, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url, Window};

pub(super) fn window() -> Window {
    web_sys::window().expect("pages run in a window")
}

/// Browsers give the ciphers to pages from https and from this very machine only.
pub(super) fn can_encrypt() -> bool {
    let subtle =
        Reflect::get(&window(), &"crypto".into()).and_then(|crypto| Reflect::get(&crypto, &"subtle".into()));
    window().is_secure_context() && subtle.is_ok_and(|subtle| subtle.is_object())
}

/// Milliseconds on a clock that never goes back.
pub(super) fn now_ms() -> f64 {
    window().performance().expect("browsers have a performance clock").now()
}

/// The time of day, in Unix milliseconds.
pub(super) fn unix_ms() -> u64 {
    Date::now() as u64
}

/// A moment as the person's own language writes it, to the minute.
pub(super) fn moment(unix_ms: f64) -> String {
    written(unix_ms, "short")
}

/// The same to the second, where a minute may hold several.
pub(super) fn exact_moment(unix_ms: f64) -> String {
    written(unix_ms, "medium")
}

fn written(unix_ms: f64, time_style: &str) -> String {
    let options = Object::new();
    for (key, value) in [("dateStyle", "medium"), ("timeStyle", time_style)] {
        Reflect::set(&options, &key.into(), &value.into()).expect("a plain object takes any key");
    }
    let language = window().navigator().language().unwrap_or_else(|| "en".to_owned());
    let date = Date::new(&JsValue::from_f64(unix_ms));
    // A file may carry a time that is none.
    if date.get_time().is_nan() { String::new() } else { date.to_locale_string(&language, &options).into() }
}

/// A random number, for what must be distinct and need not be secret.
pub(super) fn distinct() -> u32 {
    (js_sys::Math::random() * f64::from(u32::MAX)) as u32
}

/// Puts a text into the clipboard, if the browser lets it.
pub(super) async fn copy(text: &str) -> bool {
    let clipboard = window().navigator().clipboard();
    !clipboard.is_undefined() && JsFuture::from(clipboard.write_text(text)).await.is_ok()
}

/// Hands a small text to the browser as a file to save.
pub(super) fn save_text(name: &str, text: &str) -> Result<(), JsValue> {
    let kind = BlobPropertyBag::new();
    kind.set_type("text/plain");
    let blob = Blob::new_with_str_sequence_and_options(&js_sys::Array::of1(&text.into()), &kind)?;
    let url = Url::create_object_url_with_blob(&blob)?;
    let document = window().document().expect("a window shows a document");
    let link: HtmlAnchorElement = document.create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    Url::revoke_object_url(&url)
}
