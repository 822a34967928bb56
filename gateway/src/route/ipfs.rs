//! `/ipfs/{cid}[/path]`: the IPFS path gateway.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use cidcast_ipfs::unixfs::read::Kind;
use cidcast_types::Cid;

use crate::Gateway;
use crate::access::Caller;
use crate::content_path::{ContentPath, Ending};
use crate::problem::{Problem, shortened};
use crate::query;
use crate::resolve::Resolved;
use crate::respond::Freshness;
use crate::respond::directory::{redirect, redirect_to_slash};
use crate::respond::file::{FileAnswer, RAW_BLOCK, ipfs_headers};

/// The name of a directory's own page.
const INDEX: &str = "index.html";

/// What the client wants of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// The file or directory.
    Unixfs,
    /// The block.
    RawBlock,
}

/// Answers with a file, a directory, or a block.
pub(crate) async fn get(
    State(gateway): State<Arc<Gateway>>,
    request: Parts,
) -> Result<Response, Problem> {
    let depth = gateway.settings.limits.path_depth;
    let path = ContentPath::parse(request.uri.path(), "/ipfs/", depth)?;
    let root = Cid::try_from(path.subject.as_str()).map_err(|error| Problem::BadCid {
        text: shortened(&path.subject),
        reason: error.to_string(),
    })?;
    let format = format(&request)?;
    let caller = gateway.access.caller(&request)?;
    let resolved = gateway.resolve(&caller, &root, &path.names).await?;
    let headers = ipfs_headers(request.uri.path(), &resolved.roots);
    if format == Format::RawBlock {
        return gateway.raw_block(&request, &resolved, headers).await;
    }
    match (&resolved.node.kind, path.ending) {
        (Kind::Directory { .. }, Ending::Name) => Ok(redirect_to_slash(&request, headers)),
        (Kind::Directory { .. }, Ending::Slash) => {
            gateway.directory(&request, &caller, &path, resolved).await
        }
        (_, Ending::Slash) if !path.names.is_empty() => {
            let without = request.uri.path().trim_end_matches('/');
            let query = request
                .uri
                .query()
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            Ok(redirect(&format!("{without}{query}"), headers))
        }
        _ => {
            let answer = FileAnswer {
                resolved: &resolved,
                path: &path.joined(),
                freshness: Freshness::Immutable,
                headers,
            };
            gateway.file(&request, answer).await
        }
    }
}

impl Gateway {
    /// `index.html` of a directory, else its listing.
    async fn directory(
        &self,
        request: &Parts,
        caller: &Caller,
        path: &ContentPath,
        resolved: Resolved,
    ) -> Result<Response, Problem> {
        let directory = resolved.node.cid;
        let blocks = resolved.blocks.clone();
        let index = [INDEX.to_owned()];
        match self.resolve_in(blocks, caller, &directory, &index).await {
            Ok(index) if matches!(index.node.kind, Kind::File { .. } | Kind::Raw { .. }) => {
                let answer = FileAnswer {
                    headers: ipfs_headers(request.uri.path(), &resolved.roots),
                    resolved: &index,
                    path: INDEX,
                    freshness: Freshness::Immutable,
                };
                self.file(request, answer).await
            }
            Ok(_) | Err(Problem::NoSuchName { .. }) => {
                let shown = format!("/ipfs/{}/{}", path.subject, path.joined());
                let headers = ipfs_headers(request.uri.path(), &resolved.roots);
                self.listing(request, &resolved, &shown, headers).await
            }
            Err(problem) => Err(problem),
        }
    }
}

/// `?format=` wins over `Accept` (IPFS path gateway specification, §2.2.7).
fn format(request: &Parts) -> Result<Format, Problem> {
    if let Some(format) = query::value(&request.uri, "format") {
        return match format.as_str() {
            "raw" => Ok(Format::RawBlock),
            _ => Err(Problem::UnsupportedFormat {
                format: shortened(&format),
            }),
        };
    }
    let accepted = request.headers.get_all(header::ACCEPT).iter();
    let wants_block = accepted
        .filter_map(|value| value.to_str().ok())
        .any(|list| {
            list.split(',').any(|range| {
                range
                    .split(';')
                    .next()
                    .is_some_and(|name| name.trim().eq_ignore_ascii_case(RAW_BLOCK))
            })
        });
    Ok(if wants_block {
        Format::RawBlock
    } else {
        Format::Unixfs
    })
}
