//! The system's random source, for ids and tokens: the shells' one way to it.

/// Random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random source works");
    bytes
}

/// A random id, by its type's constructor.
pub fn id<T, E: std::fmt::Debug>(from_bytes: impl FnOnce([u8; 16]) -> Result<T, E>) -> T {
    from_bytes(bytes()).expect("16 random bytes are not all zero")
}

/// A token to be carried in a link, a file or a cookie: 32 random bytes as hex.
pub fn token() -> String {
    hex::encode(bytes::<32>())
}

/// What is stored of a token.
pub fn token_hash(token: &str) -> [u8; 32] {
    protocol::digest::sha256(&[token.as_bytes()])
}
