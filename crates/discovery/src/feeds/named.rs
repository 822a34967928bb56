//! What the network remembers of the own feed: the announcement that its IPNS name leads to.

use std::time::Duration;

use cidcast_announce::{Announcement, Publisher, VerifyError};
use cidcast_catalog::CatalogError;
use cidcast_ipfs::names::{Names, ResolveNameError};
use cidcast_ipfs::{BlockError, Blocks, Trust};
use cidcast_types::Cid;
use tokio::time::timeout;

/// How long getting the announcement may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// Why it is not known what the network remembers.
#[derive(Debug, thiserror::Error)]
pub(super) enum NameError {
    #[error("the name leads to {path}, which is no announcement")]
    Elsewhere { path: String },
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error("nobody gave what the name leads to in time")]
    Slow,
    #[error("the name leads to something that is no announcement: {0}")]
    NotAnAnnouncement(#[from] VerifyError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error("there is no network to ask")]
    Alone,
}

/// The announcement that a publisher's name leads to. None: nobody has the name.
pub(super) async fn newest(
    names: &Names,
    blocks: &Blocks,
    publisher: &Publisher,
) -> Result<Option<Announcement>, NameError> {
    let path = match names.leads_to(&publisher.to_string()).await {
        Ok(path) => path,
        Err(ResolveNameError::NoRecord { .. }) => return Ok(None),
        Err(error) => return Err(elsewhere(&error.to_string())),
    };
    let cid = path.strip_prefix("/ipfs/").map(str::parse::<Cid>);
    let Some(Ok(cid)) = cid else {
        return Err(elsewhere(&path));
    };
    let visit = blocks.visit(&cid, Trust::Trusted);
    let visit = visit.ok_or(NameError::Alone)?;
    let got = timeout(DEADLINE, visit.get(&cid)).await;
    let bytes = got.map_err(|_| NameError::Slow)??;
    let announcement = Announcement::verify(&bytes)?;
    match announcement.publisher() == *publisher {
        true => Ok(Some(announcement)),
        false => Err(elsewhere(&path)),
    }
}

fn elsewhere(path: &str) -> NameError {
    NameError::Elsewhere {
        path: path.chars().take(128).collect(),
    }
}
