//! Whose certificates a service may show: Mozilla's roots, and those of a file.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};

/// Why a file of certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// It cannot be read.
    #[error("the certificates in {path} cannot be read ({source}); write the path of a PEM file")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        source: PemError,
    },
    /// A certificate is none.
    #[error("a certificate in {path} cannot be used ({source}); it must be a CA's own")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// There is nothing in it.
    #[error(
        "{path} has no certificate; it needs blocks that begin with -----BEGIN CERTIFICATE-----"
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Whether a file has certificates of certification authorities in PEM form.
///
/// # Errors
///
/// [`CaFileError`] saying what such a file looks like.
pub fn check_ca_file(path: &Path) -> Result<(), CaFileError> {
    load(Some(path)).map(drop)
}

/// Mozilla's roots, with those of `file` if there is one.
pub(super) fn load(file: Option<&Path>) -> Result<RootCertStore, CaFileError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let Some(path) = file else {
        return Ok(roots);
    };
    let own = || path.to_owned();
    let unreadable = |source| CaFileError::Read {
        path: own(),
        source,
    };
    let mut is_empty = true;
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        let certificate = certificate.map_err(unreadable)?;
        let added = roots.add(certificate);
        added.map_err(|source| CaFileError::Certificate {
            path: own(),
            source,
        })?;
        is_empty = false;
    }
    if is_empty {
        return Err(CaFileError::Empty { path: own() });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_with_what_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        assert!(matches!(
            check_ca_file(&file),
            Err(CaFileError::Read { .. })
        ));
        std::fs::write(&file, "nothing\n").unwrap();
        assert!(matches!(
            check_ca_file(&file),
            Err(CaFileError::Empty { .. })
        ));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&file, broken).unwrap();
        let error = check_ca_file(&file).unwrap_err();
        assert!(matches!(error, CaFileError::Certificate { .. }), "{error}");
    }
}
