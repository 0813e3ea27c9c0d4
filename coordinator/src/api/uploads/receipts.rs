//! Taking receipts in.

use std::collections::BTreeMap;

use axum::extract::State;
use protocol::bytes::Base64;
use protocol::id::{GrantId, NodeId, UploadId};
use protocol::limits::RECEIPTS_MAX;
use protocol::receipt::Receipt;
use protocol::uploads::{ReceiptsRequest, ReceiptsResponse, RefusedReceipt};

use super::touch;
use crate::api::{Json, Path};
use crate::caller::Caller;
use crate::db;
use crate::db::receipts::{ProvenCopy, ReceiptSigner};
use crate::db::uploads::{GrantRow, UploadRow};
use crate::error::{ApiResult, invalid};
use crate::receipts::{Refusal, judge, still_stands};
use crate::state::{App, AppState, commit};

/// Counts those receipts that prove something; says of the others why they do not.
pub async fn put_receipts(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<UploadId>,
    Json(request): Json<ReceiptsRequest>,
) -> ApiResult<axum::Json<ReceiptsResponse>> {
    if request.receipts.len() > RECEIPTS_MAX {
        return Err(invalid("too many receipts"));
    }
    let mut tx = state.begin().await?;
    let upload = touch(&mut tx, &caller, &id).await?;
    let nodes: Vec<NodeId> = request.receipts.iter().filter_map(claimed_node).collect();
    let signers = db::receipts::find_signers(&mut tx, &nodes).await?;
    let verified: Vec<_> = request.receipts.iter().map(|receipt| verify(receipt, &signers)).collect();
    let jtis: Vec<GrantId> = verified.iter().flatten().map(|(receipt, _)| receipt.grant).collect();
    let grants = db::uploads::find_grants(&mut tx, upload.key, &jtis).await?;
    let grants: BTreeMap<_, _> = grants.into_iter().map(|grant| (grant.jti, grant)).collect();
    let judged: Vec<Result<Vec<ProvenCopy>, Refusal>> = verified
        .into_iter()
        .map(|verified| {
            verified.and_then(|(receipt, signer)| weigh(&state, &upload, &grants, &receipt, signer))
        })
        .collect();

    let blobs: Vec<_> = judged.iter().flatten().flatten().map(|copy| copy.blob).collect();
    let locked = db::receipts::lock_blobs(&mut tx, &blobs).await?;
    let mut proven = BTreeMap::new();
    let mut answer = ReceiptsResponse { accepted: 0, refused: Vec::new() };
    for (index, judged) in (0..).zip(judged) {
        match judged.and_then(|copies| still_stands(&copies, &locked).map(|()| copies)) {
            Ok(copies) => {
                answer.accepted += 1;
                proven.extend(copies.into_iter().map(|copy| ((copy.blob, copy.node), copy)));
            }
            Err(refusal) => answer.refused.push(RefusedReceipt { index, reason: refusal.to_string() }),
        }
    }
    let write_zones = state.copies(&mut tx).await?.write_zones;
    let proven: Vec<ProvenCopy> = proven.into_values().collect();
    db::receipts::record(&mut tx, upload.vault, &proven, write_zones).await?;
    commit(tx).await?;
    Ok(axum::Json(answer))
}

fn claimed_node(receipt: &Base64) -> Option<NodeId> {
    Receipt::parse(receipt).ok().map(|receipt| receipt.claimed_node())
}

fn verify<'a>(
    receipt: &Base64,
    signers: &'a BTreeMap<NodeId, ReceiptSigner>,
) -> Result<(Receipt, &'a ReceiptSigner), Refusal> {
    let unverified = Receipt::parse(receipt).map_err(|_| Refusal::Malformed)?;
    let signer = signers.get(&unverified.claimed_node()).ok_or(Refusal::UnknownNode)?;
    let receipt = unverified.verify(&signer.public_key).map_err(|_| Refusal::Signature)?;
    Ok((receipt, signer))
}

fn weigh(
    app: &App,
    upload: &UploadRow,
    grants: &BTreeMap<GrantId, GrantRow>,
    receipt: &Receipt,
    signer: &ReceiptSigner,
) -> Result<Vec<ProvenCopy>, Refusal> {
    let grant = grants.get(&receipt.grant).ok_or(Refusal::UnknownGrant)?;
    let sub = app.secrets.pepper.derive_pseudonym(&upload.vault_id, &receipt.node);
    judge(receipt, grant, signer, &sub)
}
