//! What the test programs share: the golden vectors, and running one test on every backend there is.

use crypto::account::AccountKey;
use crypto::sign::{DeviceKey, IdentityKey};
use crypto::vault::{VaultKey, VaultKeys};
use protocol::envelope::account_state::AccountState;
use protocol::id::{AccountId, DeviceId, VaultId};

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

/// Known answers of format version 1.
pub(crate) struct Vectors(serde_json::Value);

impl Vectors {
    pub(crate) fn load() -> Self {
        Self::read(include_str!("../golden/v1/vectors.json"))
    }

    /// Those of what devices keep, write and are told, which refer to keys and ids of the others.
    pub(crate) fn load_devices() -> Self {
        Self::read(include_str!("../golden/v1/devices.json"))
    }

    /// Those of what takes something out of history, which stand on the others' log.
    pub(crate) fn load_reclaim() -> Self {
        Self::read(include_str!("../golden/v1/reclaim.json"))
    }

    fn read(json: &str) -> Self {
        Self(serde_json::from_str(json).expect("the golden file is JSON"))
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

/// The ids and keys of the golden account.
impl Vectors {
    pub(crate) fn account_id(&self) -> AccountId {
        self.text("/ids/account").parse().expect("an id")
    }

    pub(crate) fn vault_id(&self) -> VaultId {
        self.text("/ids/vault").parse().expect("an id")
    }

    pub(crate) fn device_id(&self) -> DeviceId {
        self.text("/ids/device").parse().expect("an id")
    }

    pub(crate) fn account_key(&self) -> AccountKey {
        AccountKey::from_bytes(self.array("/account/key"))
    }

    pub(crate) fn identity(&self) -> IdentityKey {
        self.account_key().derive_identity()
    }

    pub(crate) fn device(&self) -> DeviceKey {
        DeviceKey::from_seed(self.device_id(), &self.array("/device/seed"))
    }

    pub(crate) fn vault_key(&self) -> VaultKey {
        VaultKey::from_bytes(self.array("/vault/key"))
    }

    pub(crate) fn vault_keys(&self) -> VaultKeys {
        VaultKeys::new(self.vault_id(), &self.vault_key())
    }

    pub(crate) fn account_state(&self) -> AccountState {
        AccountState::verify(&self.bytes("/account_state/envelope"), &self.identity().public())
            .expect("it verifies")
    }
}
