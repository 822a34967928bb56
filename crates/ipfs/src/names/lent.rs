//! Keys whose secret half belongs to somebody else in this process.
//!
//! They are never written down here. What was published under one is published again for as long
//! as it is lent: after a restart its owner lends it anew, and a node from which the key has moved
//! away lets the name go.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rust_ipfs::Keypair;

use super::IpnsName;

/// An ed25519 key that a name can be published under.
#[derive(Clone)]
pub struct NameKey(Keypair);

/// The bytes are not a secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no ed25519 secret key; restore the key from its backup")]
pub struct NotAKey;

impl NameKey {
    /// By its secret half (RFC 8032 §5.1.5); the copy is wiped.
    ///
    /// # Errors
    ///
    /// [`NotAKey`]
    pub fn from_secret(mut secret: [u8; 32]) -> Result<Self, NotAKey> {
        let key = Keypair::ed25519_from_bytes(&mut secret).map_err(|_| NotAKey)?;
        Ok(Self(key))
    }

    /// The name that it makes.
    pub fn name(&self) -> IpnsName {
        IpnsName::of(self.0.public().to_peer_id())
    }

    pub(super) fn keypair(&self) -> &Keypair {
        &self.0
    }
}

impl fmt::Debug for NameKey {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NameKey").field(&self.name()).finish()
    }
}

/// The keys that are lent now.
#[derive(Debug, Default)]
pub(super) struct Lent(Mutex<HashMap<IpnsName, NameKey>>);

impl Lent {
    pub(super) fn add(&self, key: NameKey) {
        self.lock().insert(key.name(), key);
    }

    pub(super) fn remove(&self, name: &IpnsName) {
        self.lock().remove(name);
    }

    pub(super) fn get(&self, name: &IpnsName) -> Option<NameKey> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpnsName, NameKey>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_its_name_only() {
        // RFC 8032 §7.1, test 1.
        let secret = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let byte = |n| u8::from_str_radix(&secret[2 * n..2 * n + 2], 16).unwrap();
        let key = NameKey::from_secret(std::array::from_fn(byte)).unwrap();
        assert!(key.name().to_string().starts_with("k51qzi5uqu5d"));
        let shown = format!("{key:?}");
        assert!(shown.contains("12D3KooW"), "{shown}");
        assert!(!shown.contains("9d61"), "{shown}");
    }
}
