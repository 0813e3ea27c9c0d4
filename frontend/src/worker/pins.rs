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
    // What cannot be read was written by no build: then this device has seen nothing.
    Ok(json.and_then(|json| serde_json::from_str(&json.as_string()?).ok()))
}

pub(super) async fn save(login: &str, pin: &Pin) -> Result<(), Error> {
    let json = serde_json::to_string(pin).expect("a pin is plain data");
    let database = open().await?;
    let transaction = database.transaction(&[STORE], TransactionMode::ReadWrite)?;
    transaction.object_store(STORE)?.put(&JsValue::from_str(&json), Some(&JsValue::from_str(login)))?.await?;
    transaction.commit()?.await?;
    database.close();
    Ok(())
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
