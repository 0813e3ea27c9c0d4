//! What the test programs share: the golden vectors, and running one test on every backend there is.

/// Makes a test of each named `async fn(Backend)`: on RustCrypto natively, on RustCrypto and WebCrypto in the browser.
macro_rules! on_every_backend {
    ($($name:ident),+ $(,)?) => {$(
        mod $name {
            #[cfg(not(target_arch = "wasm32"))]
            #[test]
            fn rust_crypto() {
                crypto::compute(super::$name(crypto::Backend::rust_crypto()));
            }

            #[cfg(target_arch = "wasm32")]
            #[wasm_bindgen_test::wasm_bindgen_test]
            async fn rust_crypto() {
                super::$name(crypto::Backend::rust_crypto()).await;
            }

            #[cfg(target_arch = "wasm32")]
            #[wasm_bindgen_test::wasm_bindgen_test]
            async fn web_crypto() {
                super::$name(crate::support::web_crypto()).await;
            }
        }
    )+};
}
pub(crate) use on_every_backend;

#[cfg(target_arch = "wasm32")]
pub(crate) fn web_crypto() -> crypto::Backend {
    crypto::Backend::web_crypto().expect("the test page is a secure context")
}

/// The known answers of format version 1.
pub(crate) struct Vectors(serde_json::Value);

impl Vectors {
    pub(crate) fn load() -> Self {
        Self(
            serde_json::from_str(include_str!("../golden/v1/vectors.json")).expect("the golden file is JSON"),
        )
    }

    /// The text at a JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.value(pointer).as_str().expect(pointer)
    }

    /// The bytes written in hex at a JSON pointer.
    pub(crate) fn bytes(&self, pointer: &str) -> Vec<u8> {
        hex::decode(self.text(pointer)).expect(pointer)
    }

    pub(crate) fn array<const N: usize>(&self, pointer: &str) -> [u8; N] {
        self.bytes(pointer).try_into().expect(pointer)
    }

    pub(crate) fn number(&self, pointer: &str) -> u64 {
        self.value(pointer).as_u64().expect(pointer)
    }

    pub(crate) fn value(&self, pointer: &str) -> &serde_json::Value {
        self.0.pointer(pointer).expect(pointer)
    }
}
