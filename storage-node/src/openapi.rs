//! The interface's description. Handlers here read their bodies themselves, piece by piece: what they take and answer is
//! told beside each route.

use protocol::data_plane::{GENERATION_HEADER, PutEvent, ReadRequest};
use protocol::error::ErrorCode::{
    self, HashMismatch, InsufficientStorage, InvalidRequest, NotFound, RequestTimeout, TooLarge,
};
use protocol::id::BlobId;
use protocol::maintenance::{
    AuditRequest, AuditResponse, DeleteRequest, DeleteResponse, PullRequest, PullResponse,
};
use protocol::routes::{Route, storage_node as routes};
use server::openapi::{Description, Operation};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::api::health::Readiness;

const ABOUT: &str = "Encrypted blobs under their SHA-256. A grant of the coordinator's admits to each request: in the \
                     `Authorization` header, or in the body of requests for many blobs. Every answer that is no success \
                     is an `ErrorBody`, but that of `/readyz`. How lists of blobs are packed is described in \
                     docs/PROTOCOL.md; how to begin, in docs/API.md.";

/// What a body may do wrong on its way.
const ARRIVING: &[ErrorCode] = &[InvalidRequest, TooLarge, RequestTimeout];
/// What storing may come to.
const STORING: &[ErrorCode] = &[HashMismatch, InsufficientStorage];

/// What the program serves, described in OpenAPI.
pub fn description() -> String {
    let mut description = Description::new("Triplicate storage node", ABOUT);
    for operation in [
        operation(routes::PUT_BLOB, "put_blob", |it| {
            it.part::<BlobId>();
            it.add_parameters([generation()]);
            it.takes_octets("The blob's bytes; the request announces their length.");
            it.answers_json::<PutEvent>(200, "The node holds the blob durably.");
            it.refuses(&[ARRIVING, STORING].concat());
        }),
        operation(routes::GET_BLOB, "read_blob", |it| {
            it.part::<BlobId>();
            it.add_parameters([generation()]);
            it.answers_octets("The blob's bytes.");
            it.refuses(&[NotFound]);
        }),
        operation(routes::HEAD_BLOB, "find_blob", |it| {
            it.part::<BlobId>();
            it.add_parameters([generation()]);
            it.answers_nothing(200, "The blob is here.");
            it.refuses(&[NotFound]);
        }),
        operation(routes::PUT_BLOBS, "put_blobs", |it| {
            it.refer::<protocol::data_plane::PutHeader>();
            it.takes_octets(
                "The length of a `PutHeader` as four bytes, the most significant first; that header as JSON; and the \
                 blobs' bytes in its order.",
            );
            it.refer::<PutEvent>();
            let about = "A line of JSON, a `PutEvent`, for this node and each that the blobs are passed on to, as each \
                         is done.";
            it.answers(200, "application/x-ndjson", about, text());
            it.refuses(&[ARRIVING, STORING].concat());
        }),
        operation(routes::READ_BLOBS, "read_blobs", |it| {
            it.takes_json::<ReadRequest>();
            it.answers_octets(
                "The wanted blobs' bytes in the order asked for, without anything between them.",
            );
            it.refuses(&[NotFound, RequestTimeout]);
        }),
        operation(routes::PULL, "pull_blobs", |it| {
            it.takes_json::<PullRequest>();
            it.answers_json::<PullResponse>(200, "What became of each.");
            it.refuses(&[ARRIVING, STORING].concat());
        }),
        operation(routes::DELETE, "delete_blobs", |it| {
            it.takes_json::<DeleteRequest>();
            it.answers_json::<DeleteResponse>(200, "The blobs are gone, durably.");
            it.refuses(&[RequestTimeout]);
        }),
        operation(routes::AUDIT, "audit_blobs", |it| {
            it.takes_json::<AuditRequest>();
            it.answers_json::<AuditResponse>(200, "The proofs.");
            it.refuses(&[RequestTimeout]);
        }),
        operation(routes::INVENTORY, "list_inventory", |it| {
            it.answers_octets("The digests of all 256 parts, 32 bytes each.");
        }),
        operation(routes::INVENTORY_PART, "list_inventory_part", |it| {
            it.part_of(ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9a-f]{2}$")));
            it.answers_octets("A packed list of the blobs whose id begins with this byte.");
        }),
        operation(routes::OPENAPI, "find_openapi", |it| {
            it.answers(
                200,
                "application/json",
                "This document.",
                ObjectBuilder::new().schema_type(Type::Object),
            );
        }),
        operation(routes::LIVEZ, "livez", |it| it.answers(200, "text/plain", "The process runs.", text())),
        operation(routes::READYZ, "readyz", |it| {
            it.answers_json::<Readiness>(200, "The coordinator counts the node as up.");
            it.answers_json::<Readiness>(503, "It does not.");
        }),
        operation(routes::METRICS, "metrics", |it| {
            it.answers(200, "text/plain", "Metrics in the text format of Prometheus.", text());
        }),
    ] {
        description.add(operation);
    }
    description.to_json()
}

fn operation(route: Route, id: &str, describe: impl FnOnce(&mut Operation)) -> Operation {
    let mut operation = Operation::new(route, id);
    describe(&mut operation);
    operation
}

fn generation() -> Parameter {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(u32::MAX));
    let header = ParameterBuilder::new().name(GENERATION_HEADER).parameter_in(ParameterIn::Header);
    header
        .description(Some("The blob's generation, as the grant names it; 1 if absent."))
        .schema(Some(number))
        .build()
}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
