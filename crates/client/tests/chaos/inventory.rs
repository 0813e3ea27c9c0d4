//! What nodes have, as they say themselves, beside what the database says.

use std::collections::BTreeSet;

use client::Platform as _;
use protocol::blob_list::unpack_inventory;
use protocol::bytes::Base64Array;
use protocol::grant::{Grant, Operation};
use protocol::id::{GrantId, NodeId, Pseudonym};
use protocol::routes::storage_node as routes;
use protocol::signature::SigningKey;
use server::grants::GrantIssuer;
use testkit::cluster::Cluster;

use crate::platform::Device;

type Copies = BTreeSet<(String, u32)>;

/// What nodes have and should not, and the other way round.
pub(crate) async fn differences(cluster: &Cluster) -> Vec<String> {
    let issuer = issuer(cluster);
    let mut found = Vec::new();
    let nodes = cluster.database().query("SELECT id, encode(public_id, 'hex'), url FROM nodes ORDER BY id");
    for row in nodes.lines() {
        let columns: Vec<&str> = row.split('|').collect();
        let [key, id, url] = columns[..] else { panic!("another row: {row}") };
        let recorded = recorded(cluster, key);
        let id = NodeId::from_slice(&hex::decode(id).expect("hex")).expect("an id");
        match stored(&issuer, id, url).await {
            Ok(stored) => {
                let only = |these: &Copies, those: &Copies| these.difference(those).next().cloned();
                if let Some((blob, generation)) = only(&stored, &recorded) {
                    found
                        .push(format!("{url} has {blob}, {generation}, of which the database knows nothing"));
                }
                if let Some((blob, generation)) = only(&recorded, &stored) {
                    found.push(format!("{url} lacks {blob}, {generation}, which the database counts"));
                }
            }
            Err(error) => found.push(format!("{url} does not list what it has: {error}")),
        }
    }
    found
}

fn recorded(cluster: &Cluster, key: &str) -> Copies {
    let rows = cluster.database().query(&format!(
        "SELECT encode(b.sha256, 'hex'), r.generation FROM replicas r JOIN blobs b ON b.id = r.blob_id
         JOIN nodes n ON n.id = r.node_id AND n.store_epoch = r.store_epoch WHERE n.id = {key}"
    ));
    let copy = |row: &str| {
        let (blob, generation) = row.split_once('|').expect("two columns");
        (blob.to_owned(), generation.parse().expect("a number"))
    };
    rows.lines().map(copy).collect()
}

async fn stored(issuer: &GrantIssuer, node: NodeId, url: &str) -> Result<Copies, String> {
    let http = testkit::http();
    let mut copies = Copies::new();
    for part in 0..=u8::MAX {
        let url = format!("{url}{}", routes::INVENTORY_PART.fill(&[&format!("{part:02x}")]));
        let request = http.get(url).bearer_auth(issuer.issue(&grant(node)));
        let answer = request.send().await.and_then(reqwest::Response::error_for_status);
        let bytes = answer.map_err(|error| error.to_string())?.bytes().await;
        let blobs = unpack_inventory(part, &bytes.map_err(|error| error.to_string())?);
        let blobs = blobs.map_err(|error| error.to_string())?;
        copies.extend(blobs.iter().map(|blob| (blob.id.to_string(), blob.generation)));
    }
    Ok(copies)
}

fn issuer(cluster: &Cluster) -> GrantIssuer {
    let path = cluster.coordinator_folder().join("signing-key");
    let text = std::fs::read_to_string(path).expect("a coordinator has a key");
    let mut seed = [0; 32];
    hex::decode_to_slice(text.trim(), &mut seed).expect("32 bytes as hex");
    GrantIssuer::new(&SigningKey::from_bytes(&seed))
}

fn grant(node: NodeId) -> Grant {
    let now_s = Device::default().now_ms() / 1000;
    Grant {
        aud: node,
        sub: Pseudonym::from_bytes(random()).expect("not all zero"),
        op: Operation::Inventory,
        count: 0,
        bytes: 0,
        digest: Base64Array(protocol::blob_list::digest(&[])),
        iat: now_s,
        exp: now_s + 60,
        jti: GrantId::from_bytes(random()).expect("not all zero"),
    }
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}
