//! `/api/v1/store`: verify, export and import, for the command line of a running node.

use std::io;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::{self, Kind, resolve};
use cidcast_store::{Audience, Holder, ImportError, VerifyReport};
use cidcast_types::Cid;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::extract::{Id, Params};
use super::node::blocking;
use super::problem::{Document, Problem};

/// Pieces of an export that may wait for the client, each at most this long.
const PIECES: usize = 8;
const PIECE_BYTES: usize = 256 * 1024;

/// What a verification found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct VerifyView {
    /// Blocks that were hashed again.
    pub(crate) checked: u64,
    /// CIDs of blocks whose bytes differ from their hash.
    pub(crate) corrupt: Vec<String>,
    /// CIDs of blocks that a pin needs and that are not on disk.
    pub(crate) missing: Vec<String>,
}

impl From<&VerifyReport> for VerifyView {
    fn from(report: &VerifyReport) -> Self {
        let texts = |cids: &[Cid]| cids.iter().map(ToString::to_string).collect();
        Self {
            checked: report.checked,
            corrupt: texts(&report.corrupt),
            missing: texts(&report.missing_from_pins),
        }
    }
}

/// Hashes every block again. Takes as long as reading the whole store.
#[utoipa::path(post, path = "/api/v1/store/verify", tag = "store", operation_id = "verify_store",
    responses((status = 200, body = VerifyView)))]
pub(crate) async fn verify(State(api): State<Shared>) -> Result<Answer<VerifyView>, Problem> {
    let (store, stop) = (api.store.clone(), api.shutdown.token().clone());
    let report = blocking(move || store.verify(|_| {}, || stop.is_cancelled())).await?;
    let report = report.map_err(|error| Problem::internal(&error))?;
    if !report.is_good() {
        api.cluster.store_is_damaged();
    }
    Ok(Answer(VerifyView::from(&report)))
}

/// Sends the file behind a CID.
#[utoipa::path(get, path = "/api/v1/store/file/{cid}", tag = "store", operation_id = "get_file",
    params(("cid" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream"),
        (status = 404, body = Document), (status = 409, body = Document)))]
pub(crate) async fn file(State(api): State<Shared>, Id(cid): Id<Cid>) -> Result<Response, Problem> {
    check_present(&api, cid).await?;
    let blocks = Blocks::new(api.store.clone());
    let node = resolve(&blocks, &cid, "")
        .await
        .map_err(|error| Problem::internal(&error))?;
    let (Kind::File { bytes } | Kind::Raw { bytes }) = node.kind else {
        let detail =
            format!("{cid} is not a file: read its entries instead, or export it as a CAR file");
        return Err(Problem::conflict("not-a-file", detail));
    };
    let body = Body::from_stream(read::stream(&blocks, &cid, None));
    let kind = HeaderValue::from_static("application/octet-stream");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_LENGTH, bytes.into()),
    ];
    Ok((headers, body).into_response())
}

pub(super) async fn check_present(api: &Shared, cid: Cid) -> Result<(), Problem> {
    let store = api.store.clone();
    match blocking(move || store.has(&cid)).await? {
        Ok(true) => Ok(()),
        Ok(false) => Err(Problem::not_found(format!("{cid} is not on this node"))),
        Err(error) => Err(Problem::internal(&error)),
    }
}

/// Sends a root and every block below it as a CAR file.
#[utoipa::path(get, path = "/api/v1/store/car/{cid}", tag = "store", operation_id = "export_car",
    params(("cid" = String, Path)),
    responses((status = 200, content_type = "application/vnd.ipld.car"),
        (status = 404, body = Document)))]
pub(crate) async fn export(
    State(api): State<Shared>,
    Id(root): Id<Cid>,
) -> Result<Response, Problem> {
    check_present(&api, root).await?;
    let (sender, receiver) = mpsc::channel(PIECES);
    let store = api.store.clone();
    tokio::task::spawn_blocking(move || {
        let mut writer = io::BufWriter::with_capacity(PIECE_BYTES, Pieces(sender.clone()));
        let done = store
            .export_car(&root, &mut writer)
            .map_err(io::Error::other);
        let done = done.and_then(|()| io::Write::flush(&mut writer));
        if let Err(error) = done {
            tracing::warn!(%root, %error, "export broke off");
            // The body must end with an error: a short CAR would look whole.
            let _ = sender.blocking_send(Err(error));
        }
    });
    let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
    let kind = HeaderValue::from_static("application/vnd.ipld.car; version=1");
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

struct Pieces(mpsc::Sender<io::Result<Bytes>>);

impl io::Write for Pieces {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let piece = Ok(Bytes::copy_from_slice(data));
        self.0
            .blocking_send(piece)
            .map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For whom to keep what is imported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportParams {
    /// Name under which the roots are pinned; `import` unless given.
    holder: Option<String>,
}

/// The roots that were imported and pinned.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Imported {
    pub(crate) roots: Vec<String>,
}

/// Takes a CAR file, checks every block, and pins its roots for members.
#[utoipa::path(post, path = "/api/v1/store/car", tag = "store", operation_id = "import_car",
    params(ImportParams), request_body(content_type = "application/vnd.ipld.car"),
    responses((status = 200, body = Imported), (status = 422, body = Document)))]
pub(crate) async fn import(
    State(api): State<Shared>,
    Params(params): Params<ImportParams>,
    body: Body,
) -> Result<Answer<Imported>, Problem> {
    let name = params.holder.as_deref().unwrap_or("import");
    let holder: Holder = name.parse().map_err(Problem::bad_request)?;
    let stream = body
        .into_data_stream()
        .map(|piece| piece.map_err(io::Error::other));
    let reader = SyncIoBridge::new(StreamReader::new(stream));
    let store = api.store.clone();
    let roots = blocking(move || store.import_car(reader, &holder, Audience::Members)).await?;
    let roots = roots.map_err(refused)?;
    Ok(Answer(Imported {
        roots: roots.iter().map(ToString::to_string).collect(),
    }))
}

fn refused(error: ImportError) -> Problem {
    Problem::invalid(error)
}
