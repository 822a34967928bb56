//! The publisher's key on disk: `publisher.key`, readable by its owner only.
//!
//! The bytes are libp2p's protobuf `PrivateKey`, as in the node's `peer.key`, so that other programs
//! read it too. The file appears whole or not at all, and is replaced by an import only.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use cidcast_announce::SigningKey;

/// Its owner reads and writes it, nobody else does anything.
const MODE: u32 = 0o600;
/// `{ Type: Ed25519, Data: 64 bytes }`, up to the data: seed, then public key.
const HEAD: [u8; 4] = [0x08, 0x01, 0x12, 0x40];

/// Why the publisher's key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublisherKeyError {
    /// The file could not be read.
    #[error("the publisher's key {path} cannot be read; check its owner and permissions")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("the publisher's key {path} cannot be written; check the data directory and its space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may read it.
    #[error("the publisher's key {path} can be read by others; run `chmod 600` on it")]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It is no key.
    #[error(
        "the publisher's key {path} is damaged; restore it from a backup or an export, or move it \
         away to begin as a new publisher"
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// The system gives no randomness.
    #[error("no key can be made: the system has no random numbers to give; try again")]
    Chance,
}

/// Where a key came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyOrigin {
    /// It was there.
    Found,
    /// It was made now: nobody else has it.
    Made,
}

/// The key at `path`; made if there is none.
pub(super) fn load_or_make(path: &Path) -> Result<(SigningKey, KeyOrigin), PublisherKeyError> {
    if let Some(key) = load(path)? {
        return Ok((key, KeyOrigin::Found));
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| PublisherKeyError::Chance)?;
    let key = SigningKey::from_seed(seed);
    save(path, &key)?;
    Ok((key, KeyOrigin::Made))
}

/// Puts `key` in the place of whatever key is there.
pub(super) fn save(path: &Path, key: &SigningKey) -> Result<(), PublisherKeyError> {
    write(path, key).map_err(|source| PublisherKeyError::Write {
        path: path.to_owned(),
        source,
    })
}

fn load(path: &Path) -> Result<Option<SigningKey>, PublisherKeyError> {
    let owned = || path.to_owned();
    let unreadable = |source| PublisherKeyError::Read {
        path: owned(),
        source,
    };
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    if about.permissions().mode() & 0o077 != 0 {
        return Err(PublisherKeyError::Exposed { path: owned() });
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let key = parse(&bytes).ok_or_else(|| PublisherKeyError::Corrupt { path: owned() })?;
    Ok(Some(key))
}

fn parse(bytes: &[u8]) -> Option<SigningKey> {
    let data: &[u8; 64] = bytes.strip_prefix(&HEAD)?.try_into().ok()?;
    let (seed, public) = data.split_at(32);
    let key = SigningKey::from_seed(seed.try_into().ok()?);
    (key.publisher().as_bytes() == public).then_some(key)
}

fn write(path: &Path, key: &SigningKey) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".publisher-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    file.write_all(&HEAD)?;
    file.write_all(&key.seed())?;
    file.write_all(key.publisher().as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("publisher.key");
        let (made, origin) = load_or_make(&path).unwrap();
        assert_eq!(origin, KeyOrigin::Made);
        let (found, origin) = load_or_make(&path).unwrap();
        assert_eq!(
            (found.publisher(), origin),
            (made.publisher(), KeyOrigin::Found)
        );
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_or_exposed_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("publisher.key");
        load_or_make(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        let mut other = whole.clone();
        other[40] ^= 1;
        for damaged in [&whole[..40], &[], &other] {
            fs::write(&path, damaged).unwrap();
            let refused = load_or_make(&path);
            assert!(matches!(refused, Err(PublisherKeyError::Corrupt { .. })));
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let refused = load_or_make(&path);
        assert!(matches!(refused, Err(PublisherKeyError::Exposed { .. })));
    }
}
