//! The node's identity on disk.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rust_ipfs::Keypair;

/// Mode of a key file: its owner reads and writes it, nobody else does anything.
const MODE: u32 = 0o600;
/// An ed25519 key in protobuf takes 68 bytes. A file much longer is something else.
const MAX_BYTES: u64 = 1024;

/// Why the node has no identity.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read.
    #[error("the node key {path} cannot be read; check its owner and permissions")]
    Read {
        /// The key file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file could not be made.
    #[error("the node key {path} cannot be written; check the data directory and its free space")]
    Write {
        /// The key file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may read the file.
    #[error("the node key {path} has mode {mode:o}, so others can read it; run `chmod 600` on it")]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a key.
    #[error(
        "the node key {path} is damaged; restore it from a backup, or move it away to get a new \
         key and with it a new peer id"
    )]
    Corrupt {
        /// The key file.
        path: PathBuf,
    },
}

/// Reads the key at `path`, or makes one. The file appears whole or not at all, and an existing one
/// is never replaced.
pub(crate) fn load_or_create(path: &Path) -> Result<Keypair, KeyError> {
    match load(path)? {
        Some(key) => Ok(key),
        None => {
            create(path).map_err(|source| KeyError::Write {
                path: path.to_owned(),
                source,
            })?;
            let path = path.to_owned();
            load(&path)?.ok_or(KeyError::Corrupt { path })
        }
    }
}

/// The secret half of the node key at `path`, for what a node signs outside of libp2p. The file must
/// be there: a swarm makes it when it starts.
///
/// # Errors
///
/// [`KeyError`]
pub fn key_seed(path: &Path) -> Result<[u8; 32], KeyError> {
    let corrupt = || KeyError::Corrupt {
        path: path.to_owned(),
    };
    let key = load(path)?.ok_or_else(|| KeyError::Read {
        path: path.to_owned(),
        source: io::ErrorKind::NotFound.into(),
    })?;
    let key = key.try_into_ed25519().map_err(|_| corrupt())?;
    let secret = key.secret();
    secret.as_ref().try_into().map_err(|_| corrupt())
}

fn load(path: &Path) -> Result<Option<Keypair>, KeyError> {
    let unreadable = |source| KeyError::Read {
        path: path.to_owned(),
        source,
    };
    let corrupt = || KeyError::Corrupt {
        path: path.to_owned(),
    };
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(KeyError::Exposed { path, mode });
    }
    if about.len() > MAX_BYTES {
        return Err(corrupt());
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let key = Keypair::from_protobuf_encoding(&bytes).map_err(|_| corrupt())?;
    match key.clone().try_into_ed25519() {
        Ok(_) => Ok(Some(key)),
        Err(_) => Err(corrupt()),
    }
}

fn create(path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let key = Keypair::generate_ed25519();
    let bytes = key.to_protobuf_encoding().map_err(io::Error::other)?;
    let mut file = tempfile::Builder::new()
        .prefix(".key-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => fs::File::open(folder)?.sync_all(),
        // Somebody else made one in the meantime: theirs counts.
        Err(late) if late.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(late) => Err(late.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let first = load_or_create(&path).unwrap();
        let again = load_or_create(&path).unwrap();
        assert_eq!(first.public(), again.public());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_secret_half_makes_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        assert!(matches!(key_seed(&path), Err(KeyError::Read { .. })));
        let key = load_or_create(&path).unwrap();
        let seed = key_seed(&path).unwrap();
        let again = Keypair::ed25519_from_bytes(seed).unwrap();
        assert_eq!(again.public(), key.public());
    }

    #[test]
    fn a_damaged_key_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        load_or_create(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..40], &[], &[0; 68], &[7; 4096]] {
            fs::write(&path, damaged).unwrap();
            let error = load_or_create(&path).unwrap_err();
            assert!(matches!(error, KeyError::Corrupt { .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap(), damaged);
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let error = load_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyError::Exposed { mode: 0o644, .. }));
    }
}
