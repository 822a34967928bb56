//! Secret keys, and the one way to sign with them.

use std::fmt;

use crate::public_key::PublicKey;
use crate::{NodeId, Publisher};

/// The secret key of a publisher. It is erased from memory when dropped, and never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Makes the key of a seed: 32 bytes from the operating system's random source, or those that
    /// [`seed`](Self::seed) gave.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The secret itself, to be kept in a file that only its owner reads.
    pub fn seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public key.
    pub fn publisher(&self) -> Publisher {
        Publisher(PublicKey::of(&self.0.verifying_key()))
    }
}

impl Signer for SigningKey {
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        ed25519_dalek::Signer::sign(&self.0, message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.publisher())
    }
}

/// The secret key of a node, as libp2p has it. It is erased from memory when dropped, and never
/// printed.
#[derive(Clone)]
pub struct NodeKey(ed25519_dalek::SigningKey);

impl NodeKey {
    /// From the 32 bytes of the node's ed25519 secret.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The public key: the node's peer id.
    pub fn node(&self) -> NodeId {
        NodeId(PublicKey::of(&self.0.verifying_key()))
    }
}

impl Signer for NodeKey {
    fn sign(&self, message: &[u8]) -> [u8; 64] {
        ed25519_dalek::Signer::sign(&self.0, message).to_bytes()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey(of {})", self.node())
    }
}

/// What can sign an envelope.
pub(crate) trait Signer {
    /// ed25519 (RFC 8032) over `message`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let key = SigningKey::from_seed([7; 32]);
        assert_eq!(
            format!("{key:?}"),
            format!("SigningKey(of {})", key.publisher())
        );
    }

    #[test]
    fn a_seed_gives_the_same_key_again() {
        let key = SigningKey::from_seed([7; 32]);
        assert_eq!(
            SigningKey::from_seed(key.seed()).publisher(),
            key.publisher()
        );
    }
}
