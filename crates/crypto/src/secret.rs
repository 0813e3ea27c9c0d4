//! What every secret here has in common: 32 bytes in a type of its own, overwritten when dropped, compared in
//! constant time, and absent from logs because it has no `Debug`, `Display`, `Clone`, `Copy`, `Default` or `Serialize`.

/// Access to the bytes of a key; the name makes every use easy to find in review.
pub trait Secret {
    /// The key itself.
    fn expose_secret(&self) -> &[u8; 32];
}

/// Declares a key that this crate derives; with `root`, one whose 32 bytes come from outside, drawn or unwrapped.
macro_rules! secret_key {
    ($(#[$doc:meta])* root $name:ident) => {
        $crate::secret::secret_key!(@type $(#[$doc])* $name);
        impl $name {
            /// Takes 32 bytes drawn from a cryptographic random source, or stored before.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }
        }
        impl TryFrom<&[u8]> for $name {
            type Error = core::array::TryFromSliceError;
            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                Ok(Self(bytes.try_into()?))
            }
        }
    };
    ($(#[$doc:meta])* $name:ident) => {
        $crate::secret::secret_key!(@type $(#[$doc])* $name);
        impl $name {
            /// HKDF(ikm, salt, prefix || label).
            fn derive(ikm: &[u8; 32], salt: &[u8], label: &[u8]) -> Self {
                Self(*$crate::hazmat::hkdf(ikm, salt, &[protocol::digest::PREFIX, label]))
            }
        }
    };
    (@type $(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
        pub struct $name([u8; 32]);
        impl $crate::secret::Secret for $name {
            fn expose_secret(&self) -> &[u8; 32] {
                &self.0
            }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
            }
        }
        impl Eq for $name {}
    };
}
pub(crate) use secret_key;

/// 32 random bytes that make one SEAL unique. Taken by value and not `Clone`: it serves once.
pub struct Salt([u8; 32]);

impl Salt {
    /// Takes 32 bytes drawn from a cryptographic random source for this one envelope.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
