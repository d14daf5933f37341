//! Why an attempt to get keys failed: the closed list that logs and metrics share.

use crate::auth::jwks::KeySetError;

macro_rules! failures {
    ($($(#[$doc:meta])* $variant:ident $text:literal,)*) => {
        /// Why an attempt brought no keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum FetchFailure { $($(#[$doc])* $variant,)* }

        impl FetchFailure {
            /// Every kind, in the order of [`FetchFailure::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The kind as logs and metrics write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

failures! {
    /// No connection: refused, reset, unresolved, or TLS failed.
    Connect "connect",
    /// Not done within the limit.
    Timeout "timeout",
    /// Another status than 200.
    Status "status",
    /// The body is longer than allowed.
    TooLarge "too_large",
    /// The connection broke in the middle of the answer.
    Broken "broken",
    /// The answer is no JWK set.
    Malformed "malformed",
    /// More keys than allowed.
    TooManyKeys "too_many_keys",
    /// No key that can be used.
    NoUsableKey "no_usable_key",
    /// The file cannot be read.
    File "file",
    /// The attempt was given up by the gateway itself.
    Abandoned "abandoned",
}

impl FetchFailure {
    /// Position in [`FetchFailure::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl From<KeySetError> for FetchFailure {
    fn from(error: KeySetError) -> Self {
        match error {
            KeySetError::TooLarge => Self::TooLarge,
            KeySetError::Malformed => Self::Malformed,
            KeySetError::TooManyKeys => Self::TooManyKeys,
            KeySetError::NoUsableKey => Self::NoUsableKey,
        }
    }
}
