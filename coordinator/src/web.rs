//! Serves the built web app with the headers that bind browsers: what may run, and where data may go.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use protocol::digest::sha256;
use protocol::error::ErrorCode;
use server::error::ApiError;
use tower_http::services::{ServeDir, ServeFile};

use crate::db;
use crate::error::ApiResult;
use crate::state::AppState;

/// The folder of the built app.
#[derive(Debug)]
pub struct Web {
    folder: PathBuf,
    /// Hashes of the page's inline scripts, and when the page was written that has them.
    inline_scripts: Mutex<Option<(SystemTime, Vec<String>)>>,
}

impl Web {
    /// Serves this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, inline_scripts: Mutex::new(None) }
    }

    /// Reads the page again only when it was built anew.
    fn inline_script_hashes(&self) -> std::io::Result<Vec<String>> {
        let page = self.folder.join("index.html");
        let modified = page.metadata()?.modified()?;
        let mut cached = self.inline_scripts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((read, hashes)) = cached.as_ref()
            && *read == modified
        {
            return Ok(hashes.clone());
        }
        let hashes = hash_inline_scripts(&std::fs::read_to_string(page)?);
        *cached = Some((modified, hashes.clone()));
        Ok(hashes)
    }
}

/// All paths that are no route: the app's files, and its page for the paths that the app itself routes.
pub async fn serve(State(state): State<AppState>, request: Request) -> ApiResult<Response> {
    let path = request.uri().path().to_owned();
    let web = match &state.web {
        Some(web) if path != "/api" && !path.starts_with("/api/") => web,
        _ => return Err(server::error::no_such_route().await),
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(ApiError::new(ErrorCode::MethodNotAllowed, "files are only read"));
    }
    let is_page_route = !path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let mut response = serve_file(&web.folder, request, is_page_route).await;
    if response.status() == StatusCode::NOT_FOUND {
        return Err(ApiError::new(ErrorCode::NotFound, "no such file"));
    }
    let cache = if is_named_by_hash(&path) { "public, max-age=31536000, immutable" } else { "no-cache" };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // A worker obeys the policy of its own script's answer.
    if kind.starts_with("text/html") || kind.starts_with("text/javascript") {
        let policy = render_policy(&state, web).await?;
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

async fn serve_file(folder: &Path, request: Request, is_page_route: bool) -> Response {
    let served = if is_page_route {
        ServeFile::new(folder.join("index.html")).try_call(request).await
    } else {
        ServeDir::new(folder).append_index_html_on_directories(false).try_call(request).await
    };
    match served {
        Ok(response) => response.map(Body::new),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            ApiError::Internal(anyhow::Error::new(error).context("reading the web app")).into_response()
        }
    }
}

/// Trunk puts a hash of the content into names, like `app-0123456789abcdef_bg.wasm`.
fn is_named_by_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.split(['-', '_', '.'])
        .skip(1)
        .any(|part| part.len() == 16 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

/// Scripts only from here, data only to here and to the nodes.
async fn render_policy(state: &AppState, web: &Web) -> ApiResult<HeaderValue> {
    let nodes = db::nodes::list(&mut *state.connection().await?).await?;
    let mut origins: Vec<_> = nodes.into_iter().map(|node| node.url).collect();
    origins.sort_unstable();
    origins.dedup();
    let hashes = web
        .inline_script_hashes()
        .map_err(|error| ApiError::Internal(anyhow::Error::new(error).context("reading index.html")))?;
    let policy = content_security_policy(&hashes, &origins);
    HeaderValue::from_str(&policy).map_err(|error| ApiError::Internal(error.into()))
}

fn content_security_policy(script_hashes: &[String], node_origins: &[String]) -> String {
    let hashes: Vec<_> = script_hashes.iter().map(|hash| format!("'sha256-{hash}'")).collect();
    let scripts = [&["'self'".to_owned(), "'wasm-unsafe-eval'".to_owned()], &hashes[..]].concat().join(" ");
    let targets = [&["'self'".to_owned()], node_origins].concat().join(" ");
    format!(
        "default-src 'none'; script-src {scripts}; worker-src 'self'; style-src 'self'; \
         style-src-attr 'unsafe-inline'; font-src 'self'; img-src 'self' blob:; media-src blob:; \
         connect-src {targets}; manifest-src 'self'; object-src 'none'; frame-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types default"
    )
}

/// Of scripts without `src`, the SHA-256 of what stands between the tags, in base64.
fn hash_inline_scripts(page: &str) -> Vec<String> {
    let mut hashes = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find("<script") {
        let Some((attributes, behind)) = rest[start + "<script".len()..].split_once('>') else { break };
        let Some((script, behind)) = behind.split_once("</script") else { break };
        if !attributes.split_ascii_whitespace().any(|attribute| attribute.starts_with("src=")) {
            hashes.push(STANDARD.encode(sha256(&[script.as_bytes()])));
        }
        rest = behind;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts_are_hashed_as_browsers_do() {
        // The known answer of the CSP specification's example.
        let page = r#"<script src="/a.js"></script><script>alert('Hello, world.');</script><script type="module" src="b"></script>"#;
        assert_eq!(hash_inline_scripts(page), ["qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="]);
        assert!(hash_inline_scripts("<p>no script</p><script").is_empty());
    }

    #[test]
    fn only_names_with_a_hash_are_kept_for_good() {
        for hashed in
            ["/app-0123456789abcdef.js", "/app-0123456789abcdef_bg.wasm", "/a/style-fedcba9876543210.css"]
        {
            assert!(is_named_by_hash(hashed), "{hashed}");
        }
        for plain in ["/", "/index.html", "/worker.js", "/service-worker.js", "/0123456789abcdef"] {
            assert!(!is_named_by_hash(plain), "{plain}");
        }
    }
}
