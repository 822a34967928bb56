//! Playback of a finished package.

use std::collections::HashMap;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::{self, DirEntry, Kind, ReadAllError};
use cidcast_media::{hls, layout};
use cidcast_types::{Cid, RenditionName};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::whole::Whole;
use super::{Playlist, partial};
use crate::Gateway;
use crate::access::Caller;
use crate::content_path::{ContentPath, decode};
use crate::metrics::Lookup;
use crate::problem::Problem;
use crate::resolve::{list_problem, read_problem};
use crate::respond::file::FileAnswer;
use crate::respond::{Content, Freshness, Representation, fingerprint};

/// The media type of manifests (ISO/IEC 23009-1, annex C).
const MANIFEST_TYPE: HeaderValue = HeaderValue::from_static("application/dash+xml");

impl Gateway {
    /// Answers with a file of the package `root`: playlists with their links replaced,
    /// everything else as it is.
    pub(super) async fn packaged(
        &self,
        request: &Parts,
        caller: &Caller,
        root: &Cid,
        path: &ContentPath,
        freshness: Freshness,
    ) -> Result<Response, Problem> {
        if path.file_name().is_some_and(is_playlist) {
            let view = self.view(caller, root).await?;
            let openness = self.admit(&view, caller, root).await?;
            let part = match is_master(path) && !view.is_visit() {
                true => self.part_of(root).await?,
                false => None,
            };
            let (playlist, freshness) = match part {
                // Made anew each time and not kept for long: what is here may change.
                Some(part) => {
                    let playlist = self.rewritten(view, caller, root, path, Some(&part));
                    (playlist.await?, Freshness::Brief)
                }
                None => {
                    let playlist = self.packaged_playlist(view, caller, root, path);
                    (playlist.await?, freshness)
                }
            };
            return self.send_playlist(request, caller, playlist, freshness, openness);
        }
        if is_manifest(path)
            && let Some(answer) = self.part_manifest(request, caller, root).await?
        {
            return Ok(answer);
        }
        if let Some(whole) = Whole::asked_for(path) {
            return self.whole(request, caller, root, &whole, freshness).await;
        }
        let resolved = self.resolve(caller, root, &path.names).await?;
        if matches!(resolved.node.kind, Kind::Directory { .. }) {
            return Err(Problem::NoRoute);
        }
        let answer = FileAnswer {
            resolved: &resolved,
            path: &path.joined(),
            freshness,
            headers: HeaderMap::new(),
        };
        self.file(request, answer).await
    }

    /// The manifest of a package that is here in part, for one that has its blocks from here.
    async fn part_manifest(
        &self,
        request: &Parts,
        caller: &Caller,
        root: &Cid,
    ) -> Result<Option<Response>, Problem> {
        let view = self.view(caller, root).await?;
        if view.is_visit() {
            return Ok(None);
        }
        let openness = self.admit(&view, caller, root).await?;
        let Some(part) = self.part_of(root).await? else {
            return Ok(None);
        };
        let name = [layout::MANIFEST.to_owned()];
        let resolved = self.resolve_in(view, caller, root, &name).await?;
        let file = resolved.node.cid;
        let text = self.text_of(&resolved.blocks, &file).await?;
        let cut = partial::cut_manifest(&text, &part);
        let cut = cut.map_err(|_| Problem::Malformed { cid: file })?;
        let text = Bytes::from(cut);
        let representation = Representation {
            etag: fingerprint(&text),
            content_type: MANIFEST_TYPE,
            // What is here may change.
            freshness: Freshness::Brief,
            openness,
            content: Content::Bytes(text),
            headers: HeaderMap::new(),
        };
        Ok(Some(self.answer(request, representation)))
    }

    /// A playlist or manifest as it lies in the package.
    async fn text_of(&self, blocks: &Blocks, file: &Cid) -> Result<String, Problem> {
        let limit = self.settings.limits.playlist_bytes;
        let text = self.in_time(read::read_all(blocks, file, limit)).await?;
        let text = text.map_err(|error| match error {
            ReadAllError::TooLong { .. } => Problem::Malformed { cid: *file },
            ReadAllError::Read(error) => read_problem(file, &error),
        })?;
        let text = std::str::from_utf8(&text).map(str::to_owned);
        text.map_err(|_| Problem::Malformed { cid: *file })
    }

    /// From memory, or made and remembered: a root's playlists never change.
    async fn packaged_playlist(
        &self,
        view: Blocks,
        caller: &Caller,
        root: &Cid,
        path: &ContentPath,
    ) -> Result<Playlist, Problem> {
        let key = (*root, path.joined());
        if let Some(playlist) = self.playlists.get(&key) {
            self.metrics.count_lookup(Lookup::hit);
            return Ok(playlist);
        }
        self.metrics.count_lookup(Lookup::miss);
        let playlist = self.rewritten(view, caller, root, path, None).await?;
        let weight = playlist.text.len() + key.1.len() + size_of::<(Cid, Playlist)>();
        self.playlists.insert(key, playlist.clone(), weight);
        Ok(playlist)
    }

    async fn rewritten(
        &self,
        view: Blocks,
        caller: &Caller,
        root: &Cid,
        path: &ContentPath,
        part: Option<&[RenditionName]>,
    ) -> Result<Playlist, Problem> {
        let Some((name, folder)) = path.names.split_last() else {
            return Err(Problem::NoRoute);
        };
        let resolved = self.resolve_in(view, caller, root, folder).await?;
        let (folder, blocks) = (resolved.node.cid, resolved.blocks);
        let entries = self.in_time(read::list(&blocks, &folder)).await?;
        let entries = entries.map_err(|error| list_problem(&folder, &error))?;
        let files: HashMap<&str, &DirEntry> = entries
            .iter()
            .map(|entry| (entry.name.as_str(), entry))
            .collect();
        if blocks.is_visit() {
            self.remember_parent(root, &entries);
        }
        let name = std::slice::from_ref(name);
        let resolved = self.resolve_in(blocks, caller, &folder, name).await?;
        let (file, blocks) = (resolved.node.cid, resolved.blocks);
        let text = self.text_of(&blocks, &file).await?;
        let malformed = Problem::Malformed { cid: file };
        let text = match part {
            None => text,
            Some(part) => partial::cut(&text, part).map_err(|_| malformed.clone())?,
        };
        hls::rewrite_uris(&text, |uri| immutable(uri, &files))
            .map(Playlist::new)
            .map_err(|_| malformed)
    }

    /// Links to segments do not name the package. Whoever follows one then reads with the peers
    /// that gave the playlist.
    fn remember_parent(&self, root: &Cid, entries: &[DirEntry]) {
        for entry in entries {
            self.parents.insert(entry.cid, *root, 1);
        }
    }
}

/// The immutable URL of a file beside the playlist. Other playlists keep their relative link, so
/// that they come through `/play` too.
fn immutable(uri: &str, files: &HashMap<&str, &DirEntry>) -> Option<String> {
    let name = decode(uri).ok()?;
    let file = files.get(name.as_str())?;
    (!is_playlist(&name)).then(|| segment_url(&file.cid, &name))
}

/// The immutable URL of a segment. The name is there for players: libavformat (mpv, VLC, ffmpeg)
/// refuses segments whose URL does not end in a known extension.
pub(super) fn segment_url(cid: &Cid, name: &str) -> String {
    let name = utf8_percent_encode(name, UNRESERVED);
    format!("/ipfs/{cid}?filename={name}")
}

/// RFC 3986 §2.3: what stays as it is in a query.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn is_master(path: &ContentPath) -> bool {
    matches!(path.names.as_slice(), [name] if name == layout::MASTER)
}

fn is_manifest(path: &ContentPath) -> bool {
    matches!(path.names.as_slice(), [name] if name == layout::MANIFEST)
}

fn is_playlist(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, extension)| extension.eq_ignore_ascii_case("m3u8"))
}
