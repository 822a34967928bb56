//! Envelopes around bodies that a fuzzer made up: part of the targets that name it.

use ed25519_dalek::Signer;

pub(crate) fn sealed(domain: &str, seed: [u8; 32], body: &[u8]) -> Vec<u8> {
    let key = ed25519_dalek::SigningKey::from_bytes(&seed);
    let signature = key.sign(&[domain.as_bytes(), &[0], body].concat());
    [
        b"\xa2\x63sig\x58\x40".as_slice(),
        &signature.to_bytes(),
        b"\x64body",
        body,
    ]
    .concat()
}
