//! A rendition as one file: its initialisation segment and its segments, one after another.
//!
//! `/play/{subject}/audio/main.mp4` is what programs take that know no playlists, podcast clients
//! above all. A fragmented MP4 file is the concatenation of its segments (ISO/IEC 14496-12 §8.16),
//! so nothing is stored or copied for it, and ranges work as in any file.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use cidcast_ipfs::Blocks;
use cidcast_ipfs::unixfs::read::{self, Kind};
use cidcast_media::layout;
use cidcast_types::Cid;

use crate::Gateway;
use crate::access::Caller;
use crate::content_path::ContentPath;
use crate::problem::Problem;
use crate::resolve::list_problem;
use crate::respond::{Content, Freshness, Representation};

/// The codec of blocks without links: what their directory declares is their size.
const RAW: u64 = 0x55;

/// Files that are sent as one, in order.
pub(crate) type Joined = Arc<[(Cid, u64)]>;

/// Which rendition a path below a package asks for as one file.
pub(super) struct Whole {
    /// Its folder: `["audio", "main"]`.
    folder: [String; 2],
    content_type: &'static str,
}

impl Whole {
    /// `audio/main.mp4`; nothing of this name is in a package.
    pub(super) fn asked_for(path: &ContentPath) -> Option<Self> {
        let [branch, file] = path.names.as_slice() else {
            return None;
        };
        let content_type = match branch.as_str() {
            "audio" => "audio/mp4",
            "video" => "video/mp4",
            _ => return None,
        };
        let name = file.strip_suffix(".mp4").filter(|name| !name.is_empty())?;
        Some(Self {
            folder: [branch.clone(), name.to_owned()],
            content_type,
        })
    }
}

impl Gateway {
    /// Answers with a rendition of the package `root` as one file.
    pub(super) async fn whole(
        &self,
        request: &Parts,
        caller: &Caller,
        root: &Cid,
        whole: &Whole,
        freshness: Freshness,
    ) -> Result<Response, Problem> {
        let view = self.view(caller, root).await?;
        let resolved = self.resolve_in(view, caller, root, &whole.folder).await?;
        let (folder, blocks) = (resolved.node.cid, resolved.blocks);
        let parts = match self.joined.get(&folder) {
            Some(parts) => parts,
            None => self.joined(&blocks, caller, &folder).await?,
        };
        let files = parts.iter().map(|(cid, _)| *cid).collect();
        self.admit_files(&blocks, caller, files).await?;
        let representation = Representation {
            etag: format!("\"{folder}.mp4\""),
            content_type: HeaderValue::from_static(whole.content_type),
            freshness,
            openness: resolved.openness,
            content: Content::Joined { parts, blocks },
            headers: HeaderMap::new(),
        };
        Ok(self.answer(request, representation))
    }

    /// The files of a rendition's folder in the order of playback, with their sizes. Remembered: a
    /// folder never changes, and clients ask for one range after another.
    async fn joined(
        &self,
        blocks: &Blocks,
        caller: &Caller,
        folder: &Cid,
    ) -> Result<Joined, Problem> {
        let entries = self.in_time(read::list(blocks, folder)).await?;
        let mut entries = entries.map_err(|error| list_problem(folder, &error))?;
        entries.retain(|entry| entry.name == layout::INIT || entry.name.ends_with(".m4s"));
        // Segments are numbered with leading zeros, so that their names sort as they play.
        entries.sort_by(|a, b| {
            let place = |name: &str| (name != layout::INIT, name.to_owned());
            place(&a.name).cmp(&place(&b.name))
        });
        if entries
            .first()
            .is_none_or(|entry| entry.name != layout::INIT)
        {
            return Err(Problem::NoRoute);
        }
        let mut parts = Vec::with_capacity(entries.len());
        for entry in entries {
            let bytes = match entry.cid.codec() {
                RAW => entry.dag_bytes,
                _ => self.file_bytes(blocks, caller, folder, &entry).await?,
            };
            parts.push((entry.cid, bytes));
        }
        let parts: Joined = parts.into();
        let weight = size_of_val(&*parts);
        self.joined.insert(*folder, Arc::clone(&parts), weight);
        Ok(parts)
    }

    async fn file_bytes(
        &self,
        blocks: &Blocks,
        caller: &Caller,
        folder: &Cid,
        entry: &read::DirEntry,
    ) -> Result<u64, Problem> {
        let name = std::slice::from_ref(&entry.name);
        let view = blocks.clone();
        let resolved = self.resolve_in(view, caller, folder, name).await?;
        match resolved.node.kind {
            Kind::File { bytes } | Kind::Raw { bytes } => Ok(bytes),
            _ => Err(Problem::NotUnixfs { cid: entry.cid }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(path: &str) -> Option<(String, &'static str)> {
        let path = ContentPath::parse(path, "/play/", 8).unwrap();
        Whole::asked_for(&path).map(|whole| (whole.folder.join("/"), whole.content_type))
    }

    #[test]
    fn only_a_rendition_s_own_name_asks_for_it_whole() {
        let sound = ("audio/main".to_owned(), "audio/mp4");
        assert_eq!(asked("/play/x/audio/main.mp4"), Some(sound));
        let picture = ("video/480p".to_owned(), "video/mp4");
        assert_eq!(asked("/play/x/video/480p.mp4"), Some(picture));
        for other in [
            "/play/x/main.mp4",
            "/play/x/audio/.mp4",
            "/play/x/audio/main/init.mp4",
            "/play/x/captions/en.mp4",
            "/play/x/audio/main",
        ] {
            assert_eq!(asked(other), None, "{other}");
        }
    }
}
