//! Moving a publisher's key to another host: encrypted PKCS#8 (RFC 5958) as PEM (RFC 7468), so
//! that other tools, `openssl pkey` among them, can read the file.
//!
//! Encryption is PBES2 (RFC 8018) with scrypt (RFC 7914) and AES-256-CBC. PBKDF2, which OpenSSL
//! writes by default, is read as well. Where the file lies is not this crate's business.

use pkcs8::der::Decode;
use pkcs8::der::pem::{self, PemLabel};
use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::{EncryptionScheme, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef};

use crate::secret::SigningKey;

/// RFC 8410, section 3.
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// `PrivateKeyInfo` of an ed25519 key, up to the 32 bytes of the secret (RFC 8410, section 7).
const PRIVATE_KEY_INFO: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];
/// An OCTET STRING of 32 bytes.
const OCTETS_32: [u8; 2] = [0x04, 0x20];

/// Shortest passphrase: a file that may lie anywhere needs one that is not guessed in a day.
const MIN_PASSPHRASE: usize = 8;
/// scrypt with 2^14 blocks of 1 KiB, five times over: OWASP's choice among those that stay below
/// the 32 MiB that OpenSSL gives to scrypt when it reads a key.
const LOG_N: u8 = 14;
const BLOCK_SIZE: u32 = 8;
const REPEATS: u32 = 5;
/// Largest file that is read; ours have about 500 bytes.
const MAX_FILE: usize = 16 << 10;
/// Most memory that a file may ask for, so that importing a stranger's file cannot take all.
const MAX_MEMORY: u64 = 512 << 20;
/// Most rounds that a file may ask for, for the same reason: some seconds.
const MAX_ROUNDS: u32 = 10_000_000;

/// A key cannot be exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The passphrase is too short.
    #[error("the passphrase is too short: use at least {MIN_PASSPHRASE} characters")]
    PassphraseTooShort,
    /// The key cannot be encrypted.
    #[error("the key cannot be encrypted: {0}")]
    Encrypt(#[source] pkcs8::Error),
}

/// A file is no key that can be imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// Not an encrypted private key in PEM.
    #[error(
        "this is not an exported key: expected a file that begins with \
         `-----BEGIN ENCRYPTED PRIVATE KEY-----`"
    )]
    NotAKey,
    /// A private key that is not encrypted.
    #[error(
        "this key is not encrypted: encrypt it with `openssl pkcs8 -topk8 -scrypt -in KEY -out FILE` \
         and import that"
    )]
    NotEncrypted,
    /// Encrypted in a way that is not read.
    #[error(
        "this key is encrypted in a way that cidcast does not read: expected PBES2 with scrypt or \
         PBKDF2, and AES-CBC; `openssl pkcs8 -topk8 -scrypt` writes it"
    )]
    UnknownEncryption,
    /// Decrypting would take more memory or time than any reasonable file asks for.
    #[error("this file asks for more memory or time than is reasonable to decrypt it")]
    TooCostly,
    /// The passphrase is wrong, or the file is damaged.
    #[error("the passphrase is wrong, or the file is damaged")]
    WrongPassphrase,
    /// Decrypted, but a key of another algorithm.
    #[error(
        "this is a key of algorithm {0}, not ed25519 (1.3.101.112): it cannot sign announcements"
    )]
    OtherAlgorithm(ObjectIdentifier),
}

impl SigningKey {
    /// The key, encrypted with a passphrase, as the text of a PEM file. `random` comes from the
    /// operating system's random source, new each time: it is the salt and the initial vector.
    ///
    /// # Errors
    ///
    /// [`ExportError::PassphraseTooShort`].
    pub fn export(&self, passphrase: &str, random: [u8; 32]) -> Result<String, ExportError> {
        if passphrase.chars().count() < MIN_PASSPHRASE {
            return Err(ExportError::PassphraseTooShort);
        }
        let mut document = [0; 48];
        let content = PRIVATE_KEY_INFO.into_iter().chain(self.seed());
        for (to, from) in document.iter_mut().zip(content) {
            *to = from;
        }
        let pem = encrypt(&document, passphrase, random).map_err(ExportError::Encrypt);
        document.fill(0);
        pem
    }

    /// Reads what [`export`](Self::export) or `openssl pkcs8 -topk8` wrote.
    ///
    /// # Errors
    ///
    /// [`ImportError`] says whether the file or the passphrase is wrong.
    pub fn import(file: &str, passphrase: &str) -> Result<Self, ImportError> {
        if file.len() > MAX_FILE {
            return Err(ImportError::NotAKey);
        }
        let (label, document) =
            pem::decode_vec(file.as_bytes()).map_err(|_| ImportError::NotAKey)?;
        match label {
            EncryptedPrivateKeyInfoRef::PEM_LABEL => decrypt(&document, passphrase),
            PrivateKeyInfoRef::PEM_LABEL => Err(ImportError::NotEncrypted),
            _ => Err(ImportError::NotAKey),
        }
    }
}

fn encrypt(document: &[u8], passphrase: &str, random: [u8; 32]) -> pkcs8::Result<String> {
    let (salt, iv) = random.split_at(16);
    let iv = <[u8; 16]>::try_from(iv).unwrap_or_default(); // 32 − 16 bytes
    let cost = scrypt::Params::new(LOG_N, BLOCK_SIZE, REPEATS)
        .map_err(|_| pkcs8::Error::ParametersMalformed)?;
    let encryption = Parameters::generate_scrypt_aes256cbc(cost, salt, iv)?;
    let encrypted =
        PrivateKeyInfoRef::from_der(document)?.encrypt_with_params(encryption, passphrase)?;
    let pem = encrypted.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF)?;
    Ok(String::clone(&pem))
}

fn decrypt(document: &[u8], passphrase: &str) -> Result<SigningKey, ImportError> {
    let encrypted =
        EncryptedPrivateKeyInfoRef::from_der(document).map_err(|_| ImportError::NotAKey)?;
    let EncryptionScheme::Pbes2(scheme) = &encrypted.encryption_algorithm else {
        return Err(ImportError::UnknownEncryption);
    };
    check_cost(&scheme.kdf)?;
    let decrypted = encrypted.decrypt(passphrase).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(
            pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs8::pkcs5::Error::AlgorithmParametersInvalid { .. },
        ) => ImportError::UnknownEncryption,
        // A wrong key leaves a valid padding by chance: then it is the content that makes no sense.
        _ => ImportError::WrongPassphrase,
    })?;
    let key = PrivateKeyInfoRef::from_der(decrypted.as_bytes())
        .map_err(|_| ImportError::WrongPassphrase)?;
    if key.algorithm.oid != ED25519 {
        return Err(ImportError::OtherAlgorithm(key.algorithm.oid));
    }
    let seed = key.private_key.as_bytes().strip_prefix(&OCTETS_32);
    let seed = seed.and_then(|seed| <[u8; 32]>::try_from(seed).ok());
    seed.map(SigningKey::from_seed).ok_or(ImportError::NotAKey)
}

fn check_cost(kdf: &Kdf) -> Result<(), ImportError> {
    let affordable = match (kdf.scrypt(), kdf.pbkdf2()) {
        (Some(scrypt), _) => {
            let memory = u64::from(scrypt.block_size)
                .saturating_mul(128)
                .saturating_mul(scrypt.cost_parameter);
            memory <= MAX_MEMORY && scrypt.parallelization <= 16
        }
        (_, Some(pbkdf2)) => pbkdf2.iteration_count <= MAX_ROUNDS,
        _ => return Err(ImportError::UnknownEncryption),
    };
    if affordable {
        Ok(())
    } else {
        Err(ImportError::TooCostly)
    }
}
