//! Where one HTTP/1.1 request ends and the next begins, in what a client sends over one connection.

/// Beyond this, a connection's requests are not told apart any more.
const REQUEST_BYTES_MAX: usize = 24 << 20;
const HEAD_END: &[u8] = b"\r\n\r\n";

/// Collects requests from the pieces in which they come.
#[derive(Default)]
pub(super) struct Requests {
    bytes: Vec<u8>,
    /// Something came that has no known length.
    is_lost: bool,
}

impl Requests {
    /// Adds what came, and returns the requests that are whole by now.
    pub(super) fn push(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        if self.is_lost {
            return whole;
        }
        self.bytes.extend_from_slice(piece);
        while let Some(end) = self.bytes.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END) {
            let head = end + HEAD_END.len();
            match body_len(&self.bytes[..end]) {
                Some(body) if head + body <= REQUEST_BYTES_MAX => {
                    if self.bytes.len() < head + body {
                        return whole;
                    }
                    whole.push(self.bytes.drain(..head + body).collect());
                }
                _ => {
                    *self = Self { bytes: Vec::new(), is_lost: true };
                    return whole;
                }
            }
        }
        whole
    }
}

/// The bytes that follow a head; `None` if it does not say.
fn body_len(head: &[u8]) -> Option<usize> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    match (value("transfer-encoding"), value("content-length")) {
        (Some(_), _) => None,
        (None, Some(len)) => len.trim().parse().ok(),
        (None, None) => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::Requests;

    const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    const POST: &[u8] = b"POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\n12345";

    #[test]
    fn requests_are_told_apart_however_they_come() {
        let all = [GET, POST, GET].concat();
        for size in 1..=all.len() {
            let mut requests = Requests::default();
            let whole: Vec<_> = all.chunks(size).flat_map(|piece| requests.push(piece)).collect();
            assert_eq!(whole, [GET, POST, GET], "in pieces of {size} bytes");
        }
    }

    #[test]
    fn after_a_body_of_unknown_length_nothing_is_taken_for_a_request() {
        let mut requests = Requests::default();
        let chunked = b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(requests.push(&[GET, chunked].concat()), [GET]);
        assert!(requests.push(GET).is_empty());
    }
}
