//! Bearer tokens: making them, and the local admin token that the commands of this machine use.

use std::io;
use std::path::PathBuf;

use super::run_file::write_private;
use crate::config::DataDir;

/// Random bytes in a token.
const BYTES: usize = 32;

/// The local admin token cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenFileError {
    #[error("cannot use {}: {source}. It must be readable by its owner; delete it and start the node again", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the operating system has no random numbers for a token ({0}): try again")]
    Random(getrandom::Error),
}

/// A new token: 256 random bits, in letters that survive every shell and URL.
pub(crate) fn new_token() -> Result<String, TokenFileError> {
    let mut bytes = [0u8; BYTES];
    getrandom::fill(&mut bytes).map_err(TokenFileError::Random)?;
    Ok(format!(
        "cidcast_{}",
        data_encoding::BASE64URL_NOPAD.encode(&bytes)
    ))
}

/// The admin token of this data directory, made at the first start.
pub(super) fn read_or_make(data_dir: &DataDir) -> Result<String, TokenFileError> {
    if let Some(token) = read_token(data_dir)? {
        return Ok(token);
    }
    let token = new_token()?;
    let path = data_dir.admin_token_file();
    let written = write_private(&path, token.as_bytes());
    written.map_err(|source| TokenFileError::File { path, source })?;
    Ok(token)
}

/// The admin token of this data directory, if a node has ever run there.
pub(crate) fn read_token(data_dir: &DataDir) -> Result<Option<String>, TokenFileError> {
    let path = data_dir.admin_token_file();
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|token| !token.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TokenFileError::File { path, source }),
    }
}
