//! Export and import of a publisher's key.

use cidcast_announce::{ExportError, ImportError, SigningKey};

use crate::draft::key;

const PASSPHRASE: &str = "correct horse";

/// `openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -passout pass:correct\ horse`
const BY_OPENSSL: &str = include_str!("keys/openssl-pbkdf2.pem");
/// The same with `-scrypt`.
const BY_OPENSSL_SCRYPT: &str = include_str!("keys/openssl-scrypt.pem");
/// `openssl genpkey -algorithm x25519`, encrypted the same way.
const X25519: &str = include_str!("keys/x25519.pem");
/// `openssl genpkey -algorithm ed25519`, not encrypted.
const PLAIN: &str = include_str!("keys/plain.pem");
/// What the first release of this crate exported, of the key whose seed is 32 times 1.
const FIRST_RELEASE: &str = include_str!("keys/exported-1.pem");

#[test]
fn a_key_comes_back() {
    let file = key(1).export(PASSPHRASE, [9; 32]).unwrap();
    assert!(file.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"));
    assert_eq!(file, FIRST_RELEASE);
    let back = SigningKey::import(&file, PASSPHRASE).unwrap();
    assert_eq!(back.publisher(), key(1).publisher());
}

#[test]
fn keys_of_openssl_are_read() {
    let one = SigningKey::import(BY_OPENSSL, PASSPHRASE).unwrap();
    let other = SigningKey::import(BY_OPENSSL_SCRYPT, PASSPHRASE).unwrap();
    assert_eq!(one.publisher(), other.publisher());
}

#[test]
fn each_mistake_has_its_name() {
    let import = |file: &str, passphrase: &str| SigningKey::import(file, passphrase).unwrap_err();
    assert_eq!(import(FIRST_RELEASE, "wrong"), ImportError::WrongPassphrase);
    assert_eq!(import(PLAIN, PASSPHRASE), ImportError::NotEncrypted);
    assert_eq!(import("hello", PASSPHRASE), ImportError::NotAKey);
    assert_eq!(import("", PASSPHRASE), ImportError::NotAKey);
    assert_eq!(
        import(&FIRST_RELEASE.repeat(100), PASSPHRASE),
        ImportError::NotAKey
    );
    assert!(matches!(
        import(X25519, PASSPHRASE),
        ImportError::OtherAlgorithm(_)
    ));
    let damaged = FIRST_RELEASE.replacen("MIG", "MIH", 1);
    assert_eq!(import(&damaged, PASSPHRASE), ImportError::NotAKey);
    assert_eq!(
        key(1).export("short", [9; 32]),
        Err(ExportError::PassphraseTooShort)
    );
}
