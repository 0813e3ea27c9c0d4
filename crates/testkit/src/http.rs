//! Requests of tests that no client makes.

/// A client that goes straight to where it is sent.
///
/// # Panics
/// If the system has no means to connect.
pub fn http() -> reqwest::Client {
    tls::http(&tls::Roots::default()).no_proxy().build().expect("sockets can be made")
}
