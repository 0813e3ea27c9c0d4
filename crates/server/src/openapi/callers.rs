//! How callers prove who they are, and how those who do not are refused.

use protocol::error::ErrorCode;
use protocol::routes::Caller;
use utoipa::openapi::SecurityRequirement;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};

/// One proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Session,
    SameOrigin,
    Device,
    DeviceSignature,
    NodeSignature,
    Grant,
    MetricsToken,
}

impl Scheme {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::SameOrigin => "same_origin",
            Self::Device => "device",
            Self::DeviceSignature => "device_signature",
            Self::NodeSignature => "node_signature",
            Self::Grant => "grant",
            Self::MetricsToken => "metrics_token",
        }
    }

    pub(super) fn describe(self) -> SecurityScheme {
        let bearer = |about: &str| {
            let http = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(about));
            SecurityScheme::Http(http.build())
        };
        let header = |name: &str, about: &str| {
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, about)))
        };
        let signed = |by: &str| {
            let about = format!(
                "`Triplicate id=HEX,time=UNIX_MS,nonce=HEX,signature=HEX`: an Ed25519 signature of this request by \
                 the {by}'s key, as docs/PROTOCOL.md says."
            );
            header("Authorization", &about)
        };
        match self {
            Self::Session => SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "__Host-sid",
                "A web session's cookie, as signing in sets it. It is named `sid` where the coordinator's origin is \
                 neither https nor localhost.",
            ))),
            Self::SameOrigin => header(
                "X-Triplicate",
                "`1`: the request comes from the web app's own page or from a native client, and not by a form of \
                 another site's. Browsers must also say `Sec-Fetch-Site: same-origin`.",
            ),
            Self::Device => bearer("The token of a device session."),
            Self::DeviceSignature => signed("device"),
            Self::NodeSignature => signed("node"),
            Self::Grant => bearer(
                "A grant of the coordinator's, a PASETO of version 4 for one operation with one list of blobs on one \
                 node.",
            ),
            Self::MetricsToken => bearer(
                "The token for metrics that the operator sets. Where none is set, programs on the server's machine \
                 need none.",
            ),
        }
    }
}

/// What a caller may need, in any way.
pub(super) fn schemes(caller: Caller) -> &'static [Scheme] {
    match caller {
        Caller::Anyone => &[],
        Caller::Session | Caller::SteppedUp | Caller::Operator | Caller::SteppedUpOperator => {
            &[Scheme::Session, Scheme::SameOrigin]
        }
        Caller::DeviceSignature => &[Scheme::DeviceSignature],
        Caller::Device => &[Scheme::Device],
        Caller::SessionOrDevice => &[Scheme::Session, Scheme::SameOrigin, Scheme::Device],
        Caller::Node => &[Scheme::NodeSignature],
        Caller::Grant => &[Scheme::Grant],
        Caller::Monitoring => &[Scheme::MetricsToken],
    }
}

/// The ways in which a request may be admitted; in each, all that it names is needed.
pub(super) fn requirements(caller: Caller, changes: bool, needs: Option<Scheme>) -> Vec<SecurityRequirement> {
    let all_of = |schemes: &[Scheme]| {
        let none: [&str; 0] = [];
        let add = |all: SecurityRequirement, scheme: &Scheme| all.add(scheme.name(), none);
        schemes.iter().fold(SecurityRequirement::default(), add)
    };
    let session: &[Scheme] =
        if changes { &[Scheme::Session, Scheme::SameOrigin] } else { &[Scheme::Session] };
    match caller {
        Caller::Anyone => needs.iter().map(|scheme| all_of(&[*scheme])).collect(),
        Caller::Session | Caller::SteppedUp | Caller::Operator | Caller::SteppedUpOperator => {
            vec![all_of(session)]
        }
        Caller::SessionOrDevice => vec![all_of(session), all_of(&[Scheme::Device])],
        Caller::Monitoring => vec![all_of(&[Scheme::MetricsToken]), all_of(&[])],
        Caller::DeviceSignature | Caller::Device | Caller::Node | Caller::Grant => {
            vec![all_of(schemes(caller))]
        }
    }
}

/// How somebody else is refused.
pub(super) fn refusals(caller: Caller, changes: bool) -> Vec<ErrorCode> {
    let mut codes = match caller {
        Caller::Anyone => return Vec::new(),
        Caller::Session => vec![ErrorCode::Unauthenticated],
        Caller::SteppedUp => vec![ErrorCode::Unauthenticated, ErrorCode::StepUpRequired],
        Caller::SteppedUpOperator => {
            vec![ErrorCode::Unauthenticated, ErrorCode::Forbidden, ErrorCode::StepUpRequired]
        }
        Caller::Operator | Caller::Node | Caller::Monitoring => {
            vec![ErrorCode::Unauthenticated, ErrorCode::Forbidden]
        }
        Caller::Device | Caller::DeviceSignature | Caller::SessionOrDevice => {
            vec![ErrorCode::Unauthenticated, ErrorCode::NotAdmitted]
        }
        Caller::Grant => vec![ErrorCode::InvalidGrant],
    };
    if changes && schemes(caller).contains(&Scheme::SameOrigin) {
        codes.push(ErrorCode::Forbidden);
    }
    codes
}
