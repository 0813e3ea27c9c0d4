//! Where blobs are, for reading.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use protocol::blob_list::{StoredBlob, pack_ids, pack_stored, unpack_ids};
use protocol::blobs::{LocateRequest, LocateResponse, LocatedGroup};
use protocol::bytes::Base64Array;
use protocol::grant::{Grant, Operation};
use protocol::id::{GrantId, GroupId, VaultId};
use protocol::limits::GRANT_SECONDS;
use protocol::nodes::NodeState;
use protocol::uploads::NodeGrant;

use super::{Json, Path, vaults};
use crate::caller::Caller;
use crate::db::nodes::NodeRow;
use crate::db::{self, NodeKey};
use crate::error::{ApiResult, invalid};
use crate::relay::address_of;
use crate::state::{App, AppState};
use crate::{groups, placement, random};

/// Where are these blobs? Only of what the vault holds and its snapshots or open uploads need.
pub async fn locate_blobs(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<VaultId>,
    Json(request): Json<LocateRequest>,
) -> ApiResult<axum::Json<LocateResponse>> {
    let wanted = unpack_ids(&request.blobs).map_err(invalid)?;
    let mut conn = state.connection().await?;
    let vault = vaults::find(&mut conn, &caller, &id).await?;
    let located = db::blobs::locate(&mut conn, vault, &wanted).await?;
    let nodes: BTreeMap<NodeKey, NodeRow> =
        db::nodes::list(&mut conn).await?.into_iter().map(|node| (node.key, node)).collect();
    let mut by_nodes: BTreeMap<Vec<NodeKey>, Vec<StoredBlob>> = BTreeMap::new();
    for blob in located.into_iter().filter(|blob| !blob.nodes.is_empty()) {
        by_nodes.entry(blob.nodes).or_default().push(blob.blob);
    }
    let mut found = BTreeSet::new();
    let mut located_groups = Vec::new();
    for (keys, blobs) in by_nodes {
        found.extend(blobs.iter().map(|blob| blob.id));
        for blobs in groups::cut(blobs, |blob| blob.size) {
            let group: GroupId = random::id(GroupId::from_bytes);
            let readers = order_for_reading(&group, keys.iter().filter_map(|key| nodes.get(key)));
            let replicas = readers
                .into_iter()
                .map(|node| issue_grant(&state, &caller, &id, node, Operation::Get, &blobs).1)
                .collect();
            located_groups.push(LocatedGroup { blobs: pack_stored(&blobs), replicas });
        }
    }
    let missing: Vec<_> = wanted.into_iter().filter(|blob| !found.contains(blob)).collect();
    Ok(axum::Json(LocateResponse { groups: located_groups, missing: pack_ids(&missing) }))
}

/// Suspects last; the others so that reads spread evenly.
fn order_for_reading<'a>(group: &GroupId, nodes: impl Iterator<Item = &'a NodeRow>) -> Vec<&'a NodeRow> {
    let mut nodes: Vec<_> = nodes.collect();
    nodes.sort_by(|a, b| {
        let suspect = |node: &NodeRow| node.state == NodeState::Suspect;
        let score = |node: &NodeRow| placement::reading_score(group, &node.id);
        suspect(a).cmp(&suspect(b)).then(score(b).total_cmp(&score(a)))
    });
    nodes
}

/// A grant for one node, with its number and the address where this caller uses it.
pub(super) fn issue_grant(
    app: &App,
    caller: &Caller,
    vault: &VaultId,
    node: &NodeRow,
    op: Operation,
    blobs: &[StoredBlob],
) -> (GrantId, NodeGrant) {
    let now_s = app.clock.now_s();
    let grant = Grant {
        aud: node.id,
        sub: app.secrets.pepper.derive_pseudonym(vault, &node.id),
        op,
        count: u32::try_from(blobs.len()).expect("a group is small"),
        bytes: blobs.iter().map(|blob| u64::from(blob.size)).sum(),
        digest: Base64Array(protocol::blob_list::digest(blobs)),
        iat: now_s,
        exp: now_s + GRANT_SECONDS,
        jti: random::id(GrantId::from_bytes),
    };
    let token = app.grants.issue(&grant);
    (grant.jti, NodeGrant { node: node.id, url: address_of(app, caller, node), grant: token })
}
