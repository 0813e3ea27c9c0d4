//! Pins in IndexedDB: what was verified for each login. They hold no secret.

use client::Pin;
use idb::{Database, DatabaseEvent as _, Error, Factory, ObjectStoreParams, TransactionMode};
use wasm_bindgen::JsValue;

const DATABASE: &str = "triplicate";
const VERSION: u32 = 1;
const STORE: &str = "pins";

pub(super) async fn load(login: &str) -> Result<Option<Pin>, Error> {
    let database = open().await?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadOnly)?;
    let json = transaction.object_store(STORE)?.get(JsValue::from_str(login))?.await?;
    database.close();
    Ok(json.as_ref().and_then(read))
}

/// Stores the pin as merged with what is stored. One transaction reads and writes: another tab's comes before or after
/// it, so that neither undoes what the other saw.
pub(super) async fn save(login: &str, pin: Pin) -> Result<(), Error> {
    let database = open().await?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadWrite)?;
    let store = transaction.object_store(STORE)?;
    let login = JsValue::from_str(login);
    let stored = store.get(login.clone())?.await?;
    let merged = pin.merged(stored.as_ref().and_then(read));
    let json = serde_json::to_string(&merged).expect("a pin is plain data");
    store.put(&JsValue::from_str(&json), Some(&login))?.await?;
    transaction.commit()?.await?;
    database.close();
    Ok(())
}

/// What cannot be read was written by no build: then this device has seen nothing.
fn read(json: &JsValue) -> Option<Pin> {
    serde_json::from_str(&json.as_string()?).ok()
}

async fn open() -> Result<Database, Error> {
    let mut request = Factory::new()?.open(DATABASE, Some(VERSION))?;
    request.on_upgrade_needed(|event| {
        let created = event
            .database()
            .and_then(|database| database.create_object_store(STORE, ObjectStoreParams::new()));
        // The request that waits for the upgrade reports the same failure.
        drop(created);
    });
    request.await
}
