//! The key of a private network.
//!
//! The file is the one that Kubo calls `swarm.key` (`/key/swarm/psk/1.0.0/`, libp2p specification
//! "pnet: Private Networks"): whoever has it is in, nobody else gets past the first bytes.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use libp2p::pnet::{KeyParseError, PreSharedKey};

/// Three lines of text take about 100 bytes. A file much longer is something else.
const MAX_BYTES: u64 = 4096;

/// Why there is no private network.
#[derive(Debug, thiserror::Error)]
pub enum NetworkKeyError {
    /// The file could not be read.
    #[error(
        "the network key {path} cannot be read ({source}); copy it from another node, or write null for the open network"
    )]
    Read {
        /// The key file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others may read the file.
    #[error(
        "the network key {path} has mode {mode:o}, so others can read it; run `chmod 600` on it"
    )]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not a key.
    #[error(
        "the network key {path} is not three lines: /key/swarm/psk/1.0.0/ then /base16/ then 64 hexadecimal digits"
    )]
    Format {
        /// The key file.
        path: PathBuf,
    },
}

/// Whether a file is the key of a private network.
///
/// # Errors
///
/// [`NetworkKeyError`] saying what such a file looks like.
pub fn check_network_key(path: &Path) -> Result<(), NetworkKeyError> {
    load(path).map(drop)
}

pub(super) fn load(path: &Path) -> Result<PreSharedKey, NetworkKeyError> {
    let unreadable = |source| NetworkKeyError::Read {
        path: path.to_owned(),
        source,
    };
    let format = || NetworkKeyError::Format {
        path: path.to_owned(),
    };
    let about = fs::metadata(path).map_err(unreadable)?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(NetworkKeyError::Exposed { path, mode });
    }
    if about.len() > MAX_BYTES {
        return Err(format());
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    // ASCII first: the parser cuts the digits by bytes.
    let text = String::from_utf8(bytes).ok().filter(|text| text.is_ascii());
    let key: Result<PreSharedKey, KeyParseError> = text.ok_or_else(format)?.parse();
    key.map_err(|_| format())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &[u8], mode: u32) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("swarm.key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        (folder, path)
    }

    #[test]
    fn a_key_as_kubo_writes_it_is_read() {
        let text = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}\n", "7e".repeat(32));
        let (_folder, path) = written(text.as_bytes(), 0o600);
        assert_eq!(load(&path).unwrap(), PreSharedKey::new([0x7e; 32]));
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        let not_ascii = format!("/key/swarm/psk/1.0.0/\n/base16/\n{}é", "7".repeat(62));
        for text in [
            "",
            "7e7e",
            "/key/swarm/psk/1.0.0/\n/base16/\n7e7e\n",
            "/key/swarm/psk/1.0.0/\n/base64/\nfn5+fn5+fn5+fn5+fn5+fn5+fn5+fn5+fn5+fn5+fn4=\n",
            &not_ascii,
        ] {
            let (_folder, path) = written(text.as_bytes(), 0o600);
            let error = load(&path).unwrap_err();
            assert!(
                matches!(error, NetworkKeyError::Format { .. }),
                "{text:?}: {error}"
            );
        }
        let (_folder, path) = written(b"x", 0o644);
        let error = load(&path).unwrap_err();
        assert!(matches!(
            error,
            NetworkKeyError::Exposed { mode: 0o644, .. }
        ));
        let error = load(Path::new("/nowhere/swarm.key")).unwrap_err();
        assert!(matches!(error, NetworkKeyError::Read { .. }));
    }
}
