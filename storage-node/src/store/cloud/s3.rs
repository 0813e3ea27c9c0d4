//! What is particular to S3: its operator, and what its answers mean.

use bytes::Bytes;
use hyper::{Response, StatusCode};
use opendal::{Operator, services};

use super::error::CloudError;
use super::place::S3;
use super::transport::{retry_after, words};

pub(super) fn operator(s3: &S3, prefix: &str) -> opendal::Result<Operator> {
    let builder = services::S3::default()
        .root(&format!("/{prefix}"))
        .bucket(&s3.bucket)
        .endpoint(&s3.endpoint)
        .region(&s3.region)
        .access_key_id(&s3.access_key_id)
        .secret_access_key(s3.secret_access_key.expose())
        // Nothing but what was configured: no files, variables or services of the machine.
        .disable_config_load()
        .disable_ec2_metadata()
        // The server compares what arrives.
        .checksum_algorithm("md5");
    Operator::new(builder)
}

/// Lets through what OpenDAL understands.
pub(super) fn judge(answer: Response<Bytes>, s3: &S3) -> Result<Response<Bytes>, CloudError> {
    let status = answer.status();
    // 404 may also mean the bucket; 409 and 412 answer a condition.
    let code = code(answer.body());
    let text = || format!("{status} {} {}", code, words(answer.body()));
    let bucket = || s3.bucket.clone();
    Err(match (code, status) {
        ("NoSuchBucket", _) => CloudError::WrongBucket(bucket()),
        ("RequestTimeTooSkewed", _) => CloudError::WrongClock,
        ("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _)
        | (_, StatusCode::MOVED_PERMANENTLY | StatusCode::TEMPORARY_REDIRECT) => {
            CloudError::WrongRegion { bucket: bucket(), region: s3.region.clone(), answer: text() }
        }
        (
            "QuotaExceeded" | "StorageQuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded",
            _,
        )
        | (_, StatusCode::INSUFFICIENT_STORAGE) => CloudError::Full,
        ("SlowDown" | "TooManyRequests", _) | (_, StatusCode::TOO_MANY_REQUESTS) => {
            CloudError::Busy { retry_after: retry_after(&answer) }
        }
        (_, StatusCode::SERVICE_UNAVAILABLE) if retry_after(&answer).is_some() => {
            CloudError::Busy { retry_after: retry_after(&answer) }
        }
        (_, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => CloudError::Credentials(text()),
        ("RequestTimeout", _) => CloudError::Server(text()),
        (_, StatusCode::NOT_IMPLEMENTED) => CloudError::NotImplemented,
        _ if status.is_server_error() => CloudError::Server(text()),
        ("BadDigest" | "IncompleteBody" | "XAmzContentChecksumMismatch", _) => CloudError::Network(text()),
        (_, StatusCode::NOT_FOUND | StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED) => {
            return Ok(answer);
        }
        _ if status.is_success() => return Ok(answer),
        _ => CloudError::Unexpected(text()),
    })
}

/// The code in an error's XML; empty without one.
fn code(body: &[u8]) -> &str {
    let text = std::str::from_utf8(&body[..body.len().min(4096)]).unwrap_or_default();
    let Some(rest) = text.find("<Error>").and_then(|at| text[at..].split_once("<Code>")) else { return "" };
    rest.1.split_once("</Code>").map_or("", |(code, _)| code)
}
