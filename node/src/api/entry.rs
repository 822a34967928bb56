//! `/api/v1/store/entry`: files and directories of the store, one at a time.

use axum::Json as Answer;
use axum::extract::State;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::{self, Kind, resolve};
use cidcast_types::Cid;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Shared;
use super::extract::Id;
use super::problem::{Document, Problem};
use super::store::check_present;

/// What a CID stands for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum EntryView {
    /// A file.
    File {
        /// Its length.
        bytes: u64,
    },
    /// A directory.
    Directory {
        /// In stored order.
        entries: Vec<LinkView>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads, as it was stored.
        target: String,
    },
}

/// An entry of a directory.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LinkView {
    /// As it was stored: check it before making a file of it.
    pub(crate) name: String,
    pub(crate) cid: String,
}

/// Says what a CID stands for, and what a directory has in it.
#[utoipa::path(get, path = "/api/v1/store/entry/{cid}", tag = "store", operation_id = "show_entry",
    params(("cid" = String, Path)),
    responses((status = 200, body = EntryView), (status = 404, body = Document),
        (status = 422, body = Document)))]
pub(crate) async fn entry(
    State(api): State<Shared>,
    Id(cid): Id<Cid>,
) -> Result<Answer<EntryView>, Problem> {
    check_present(&api, cid).await?;
    let blocks = Blocks::new(api.store.clone());
    Ok(Answer(
        EntryView::of(&blocks, &cid)
            .await
            .map_err(Problem::invalid)?,
    ))
}

impl EntryView {
    /// Reads it from blocks that are here.
    pub(crate) async fn of(blocks: &Blocks, cid: &Cid) -> Result<Self, EntryError> {
        let node = resolve(blocks, cid, "").await?;
        Ok(match node.kind {
            Kind::File { bytes } | Kind::Raw { bytes } => Self::File { bytes },
            Kind::Symlink { target } => Self::Symlink { target },
            Kind::Directory { .. } => {
                let entries = read::list(blocks, cid).await?.into_iter();
                let entries = entries.map(|entry| LinkView {
                    name: entry.name,
                    cid: entry.cid.to_string(),
                });
                Self::Directory {
                    entries: entries.collect(),
                }
            }
            Kind::Other { codec } => return Err(EntryError::NotUnixFs { cid: *cid, codec }),
        })
    }
}

/// Why a CID cannot be shown as a file or directory.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    /// It cannot be read.
    #[error(transparent)]
    Resolve(#[from] read::ResolveError),
    /// A directory cannot be read.
    #[error(transparent)]
    List(#[from] read::ListError),
    /// Blocks of another kind.
    #[error("{cid} has codec {codec:#x} and is no file or directory: export it as a CAR file")]
    NotUnixFs {
        /// What was asked for.
        cid: Cid,
        /// Its codec.
        codec: u64,
    },
}
