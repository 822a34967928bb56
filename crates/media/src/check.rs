//! Parsing a package back before it is pinned: every reference leads to a file, every file is
//! referred to, and the three descriptions of the package agree with each other.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use cidcast_types::Micros;

use crate::asset_json::{self, AssetJsonError};
use crate::dash::{self, DashError, Manifest};
use crate::hls::{self, Ended, HlsError, MasterPlaylist, MediaPlaylist, PlaylistType};
use crate::layout;
use crate::mp4::{InitInfo, Mp4Error};

/// A package must not be pinned.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// Something refers to a file that is not there.
    #[error("the package has no file `{path}`: package the asset again")]
    Missing {
        /// Relative to the root.
        path: String,
    },
    /// A file without bytes.
    #[error("the file `{path}` of the package is empty: package the asset again")]
    EmptyFile {
        /// Relative to the root.
        path: String,
    },
    /// A file that nothing refers to.
    #[error("nothing refers to the file `{path}` of the package: package the asset again")]
    Unreferenced {
        /// Relative to the root.
        path: String,
    },
    /// A reference out of the package, or one that is no plain relative path.
    #[error("`{uri}` in `{path}` leads out of the package: write relative paths only")]
    Outside {
        /// The file that holds the reference.
        path: String,
        /// The reference.
        uri: String,
    },
    /// A text file that is not UTF-8.
    #[error("`{path}` is not text: package the asset again")]
    NotText {
        /// Relative to the root.
        path: String,
    },
    /// A playlist does not parse.
    #[error("the playlist `{path}` cannot be read: {source}")]
    Playlist {
        /// Relative to the root.
        path: String,
        /// Why.
        source: HlsError,
    },
    /// The manifest does not parse.
    #[error("the manifest cannot be read: {0}")]
    Manifest(#[from] DashError),
    /// `asset.json` does not parse.
    #[error(transparent)]
    AssetJson(#[from] AssetJsonError),
    /// An initialisation segment does not parse.
    #[error("the initialisation segment `{path}` cannot be read: {source}")]
    Init {
        /// Relative to the root.
        path: String,
        /// Why.
        source: Mp4Error,
    },
    /// Two descriptions of the same thing differ.
    #[error("`{path}` states another {what} than the files it describes: package the asset again")]
    Disagreement {
        /// The file whose statement is wrong.
        path: String,
        /// What differs.
        what: &'static str,
    },
}

/// Checks a whole package. `files` lists every file with its size; `read` returns the bytes of
/// playlists, manifest, `asset.json` and initialisation segments (never of segments).
pub fn package(
    files: &BTreeMap<String, u64>,
    read: impl Fn(&str) -> Option<Bytes>,
) -> Result<(), PackageError> {
    let mut check = Check {
        files,
        read,
        referenced: BTreeSet::new(),
    };
    if let Some((path, _)) = files.iter().find(|(_, bytes)| **bytes == 0) {
        return Err(PackageError::EmptyFile { path: path.clone() });
    }
    let renditions = check.hls()?;
    check.dash(&renditions)?;
    check.asset_json(&renditions)?;
    if files.contains_key(layout::POSTER) {
        check.referenced.insert(layout::POSTER.to_owned());
    }
    match files.keys().find(|path| !check.referenced.contains(*path)) {
        Some(path) => Err(PackageError::Unreferenced { path: path.clone() }),
        None => Ok(()),
    }
}

struct Check<'a, R> {
    files: &'a BTreeMap<String, u64>,
    read: R,
    referenced: BTreeSet<String>,
}

/// A rendition as its media playlist describes it.
struct Rendition {
    init: String,
    info: InitInfo,
    segments: Vec<String>,
    bytes: u64,
    duration: Micros,
}

/// By folder: `video/720p`.
type Renditions = BTreeMap<String, Rendition>;

impl<R: Fn(&str) -> Option<Bytes>> Check<'_, R> {
    fn refer(&mut self, path: &str) -> Result<u64, PackageError> {
        let missing = || PackageError::Missing {
            path: path.to_owned(),
        };
        let bytes = *self.files.get(path).ok_or_else(missing)?;
        self.referenced.insert(path.to_owned());
        Ok(bytes)
    }

    fn bytes(&mut self, path: &str) -> Result<Bytes, PackageError> {
        self.refer(path)?;
        (self.read)(path).ok_or_else(|| PackageError::Missing {
            path: path.to_owned(),
        })
    }

    fn text(&mut self, path: &str) -> Result<String, PackageError> {
        let bytes = self.bytes(path)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| PackageError::NotText {
            path: path.to_owned(),
        })
    }

    /// Reads the multivariant playlist and everything under it.
    fn hls(&mut self) -> Result<Renditions, PackageError> {
        let text = self.text(layout::MASTER)?;
        let broken = |source| PackageError::Playlist {
            path: layout::MASTER.to_owned(),
            source,
        };
        let master = hls::parse_master(&text).map_err(broken)?;
        let mut renditions = Renditions::new();
        let media = master
            .renditions
            .iter()
            .filter_map(|tag| tag.uri.as_deref());
        let uris = media.chain(master.variants.iter().map(|tag| tag.uri.as_str()));
        for uri in uris {
            let path = inside(layout::MASTER, "", uri)?;
            let folder = folder_of(&path).to_owned();
            let rendition = self.rendition(&path)?;
            renditions.insert(folder, rendition);
        }
        check_variants(&master, &renditions)?;
        Ok(renditions)
    }

    fn rendition(&mut self, path: &str) -> Result<Rendition, PackageError> {
        let broken = |source| PackageError::Playlist {
            path: path.to_owned(),
            source,
        };
        let text = self.text(path)?;
        let playlist = hls::parse_media(&text).map_err(broken)?;
        check_complete(path, &playlist)?;
        let map = playlist
            .map
            .ok_or(HlsError::Missing { tag: "EXT-X-MAP" })
            .map_err(broken)?;
        let init = inside(path, folder_of(path), &map)?;
        let bytes = self.bytes(&init)?;
        let info = InitInfo::parse(&bytes).map_err(|source| PackageError::Init {
            path: init.clone(),
            source,
        })?;
        let mut rendition = Rendition {
            init,
            info,
            segments: Vec::new(),
            bytes: 0,
            duration: Micros::ZERO,
        };
        for segment in playlist.segments {
            let segment_path = inside(path, folder_of(path), &segment.uri)?;
            rendition.bytes += self.refer(&segment_path)?;
            rendition.duration.0 = rendition.duration.0.saturating_add(segment.duration.0);
            rendition.segments.push(segment_path);
        }
        Ok(rendition)
    }

    fn dash(&mut self, renditions: &Renditions) -> Result<(), PackageError> {
        let manifest = dash::parse(&self.text(layout::MANIFEST)?)?;
        check_manifest(&manifest, renditions)
    }

    fn asset_json(&mut self, renditions: &Renditions) -> Result<(), PackageError> {
        let document = asset_json::parse(&self.text(layout::ASSET_JSON)?)?;
        let differs = |what| disagreement(layout::ASSET_JSON, what);
        if document.tracks.len() != renditions.len() {
            return Err(differs("number of renditions"));
        }
        for track in &document.tracks {
            let rendition = renditions
                .get(&track.path)
                .ok_or_else(|| differs("folder of a rendition"))?;
            if track.codec != rendition.info.codec {
                return Err(differs("codec"));
            }
            if track.segments != rendition.segments.len() as u64 {
                return Err(differs("number of segments"));
            }
            if track.bytes != rendition.bytes {
                return Err(differs("size of the segments"));
            }
        }
        Ok(())
    }
}

fn check_complete(path: &str, playlist: &MediaPlaylist) -> Result<(), PackageError> {
    let complete =
        playlist.playlist_type == Some(PlaylistType::Vod) && playlist.ended == Ended::Yes;
    if !complete || playlist.segments.is_empty() {
        return Err(disagreement(path, "playlist type or end"));
    }
    let rounded = |duration: Micros| (duration.0 + 500_000) / 1_000_000;
    if playlist
        .segments
        .iter()
        .any(|s| rounded(s.duration) > playlist.target_duration)
    {
        return Err(disagreement(path, "target duration"));
    }
    Ok(())
}

/// Codecs and bit rates of the multivariant playlist against the renditions.
fn check_variants(master: &MasterPlaylist, renditions: &Renditions) -> Result<(), PackageError> {
    for variant in &master.variants {
        let rendition =
            renditions
                .get(folder_of(&variant.uri))
                .ok_or_else(|| PackageError::Missing {
                    path: variant.uri.clone(),
                })?;
        if !variant.codecs.contains(&rendition.info.codec) {
            return Err(disagreement(layout::MASTER, "codec"));
        }
        // The playlist's durations are rounded down to microseconds, hence one more.
        let average =
            u128::from(rendition.bytes) * 8_000_000 / (u128::from(rendition.duration.0) + 1);
        if u128::from(variant.bandwidth) < average {
            return Err(disagreement(layout::MASTER, "bandwidth"));
        }
        let group_exists = variant
            .audio
            .as_ref()
            .is_none_or(|group| master.renditions.iter().any(|tag| &tag.group == group));
        if !group_exists {
            return Err(disagreement(layout::MASTER, "audio group"));
        }
    }
    Ok(())
}

/// The manifest names the same files as the playlists, with the same codecs.
fn check_manifest(manifest: &Manifest, renditions: &Renditions) -> Result<(), PackageError> {
    let differs = |what| disagreement(layout::MANIFEST, what);
    if manifest.representations.len() != renditions.len() {
        return Err(differs("number of renditions"));
    }
    for representation in &manifest.representations {
        let rendition = renditions
            .get(folder_of(&representation.initialization))
            .ok_or_else(|| differs("folder of a rendition"))?;
        if representation.initialization != rendition.init {
            return Err(differs("initialisation segment"));
        }
        if representation.codecs != rendition.info.codec {
            return Err(differs("codec"));
        }
        if representation.timescale != u64::from(rendition.info.timescale) {
            return Err(differs("time scale"));
        }
        if representation.durations.len() != rendition.segments.len() {
            return Err(differs("number of segments"));
        }
        let same = (0u32..)
            .zip(&rendition.segments)
            .all(|(index, path)| representation.segment(index) == *path);
        if !same {
            return Err(differs("segment"));
        }
    }
    Ok(())
}

fn disagreement(path: &str, what: &'static str) -> PackageError {
    PackageError::Disagreement {
        path: path.to_owned(),
        what,
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The path of `uri`, which stands in the file `path` and is relative to `folder`.
fn inside(path: &str, folder: &str, uri: &str) -> Result<String, PackageError> {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    if !uri.split('/').all(plain) {
        return Err(PackageError::Outside {
            path: path.to_owned(),
            uri: uri.to_owned(),
        });
    }
    Ok(if folder.is_empty() {
        uri.to_owned()
    } else {
        format!("{folder}/{uri}")
    })
}
