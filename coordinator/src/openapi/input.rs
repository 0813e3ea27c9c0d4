//! What handlers take.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Request, State};
use protocol::id::{AccountId, BlobId, EnrolmentId, InvitationId, NodeId, SourceId, UploadId, VaultId};
use protocol::nodes::JoinRequest;
use server::openapi::Operation;
use utoipa::openapi::path::ParameterIn;
use utoipa::{IntoParams, ToSchema};

use crate::api::relay::WithBody;
use crate::api::{Json, Path, Query};
use crate::auth::{
    ClientAddress, ClientNetwork, Operator, SameOrigin, Session, SteppedUp, SteppedUpOperator,
};
use crate::caller::Caller;
use crate::device_auth::{Device, DeviceSignature};
use crate::node_auth::{Introduction, NodeRequest};

/// An argument of a handler.
pub(crate) trait Input {
    fn describe(operation: &mut Operation);
}

macro_rules! not_in_the_interface {
    ($($argument:ty),*) => {$(
        impl Input for $argument {
            fn describe(_: &mut Operation) {}
        }
    )*};
}

// Who may call a route stands in the protocol's list of routes.
not_in_the_interface!(Session, SteppedUp, Operator, SteppedUpOperator, Caller, Device, DeviceSignature);
not_in_the_interface!(ClientAddress, ClientNetwork, Request);

impl<S> Input for State<S> {
    fn describe(_: &mut Operation) {}
}

impl Input for SameOrigin {
    fn describe(operation: &mut Operation) {
        operation.needs_same_origin();
    }
}

impl Input for WithBody {
    fn describe(operation: &mut Operation) {
        operation.takes_octets("What the node's own route takes.");
    }
}

impl<T: ToSchema> Input for Json<T> {
    fn describe(operation: &mut Operation) {
        operation.takes_json::<T>();
    }
}

impl<T: ToSchema> Input for NodeRequest<T> {
    fn describe(operation: &mut Operation) {
        operation.takes_json::<T>();
    }
}

impl Input for Introduction {
    fn describe(operation: &mut Operation) {
        operation.takes_json::<JoinRequest>();
        operation.takes_node_signature();
    }
}

impl Input for Result<Bytes, BytesRejection> {
    fn describe(operation: &mut Operation) {
        operation.takes_octets("A packed list, as docs/PROTOCOL.md says.");
    }
}

impl<T: IntoParams> Input for Query<T> {
    fn describe(operation: &mut Operation) {
        operation.add_parameters(T::into_params(|| Some(ParameterIn::Query)));
    }
}

impl<T: Parts> Input for Path<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

/// The parts of a path that vary.
pub(crate) trait Parts {
    fn describe(operation: &mut Operation);
}

macro_rules! ids {
    ($($id:ident)*) => {$(
        impl Parts for $id {
            fn describe(operation: &mut Operation) {
                operation.part::<$id>();
            }
        }
    )*};
}

ids!(AccountId BlobId EnrolmentId InvitationId NodeId SourceId UploadId VaultId);

impl Parts for u32 {
    fn describe(operation: &mut Operation) {
        operation.number(u64::from(u32::MAX));
    }
}

impl Parts for u64 {
    fn describe(operation: &mut Operation) {
        operation.number(u64::MAX);
    }
}

impl<A: Parts, B: Parts> Parts for (A, B) {
    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
    }
}
