//! Step 3: playlists, manifest and `asset.json` around the segments that are in the store.
//!
//! Nothing is copied: the package links to the files of the finished units. Its bytes depend on
//! source, plan and encoder only, never on this asset's id, title or time, so the same source gives
//! the same root CID. Saves nothing: it is quick, and running it again gives the same blocks.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use cidcast_catalog::StoredRendition;
use cidcast_ipfs::unixfs::add::{Target, Tree, add_bytes};
use cidcast_ipfs::unixfs::read::list;
use cidcast_media::asset_json::{self, AssetDocument, SourceDocument};
use cidcast_media::mp4::InitInfo;
use cidcast_media::package::{Presentation, SegmentMeta, Track, TrackKind};
use cidcast_media::{check, dash, hls, layout};
use cidcast_store::{InFlight, Store};
use cidcast_types::{AssetState, Cid, RenditionName, RootCid};

use crate::failure::StepError;
use crate::ingest::blocking;
use crate::job::Context;
use crate::steps::transcode::{Transcoded, init_name, segment_name};

/// A package whose blocks are in the store, held but not pinned.
pub(crate) struct Packaged {
    pub(crate) root: RootCid,
    pub(crate) bytes: u64,
    pub(crate) guard: InFlight,
}

pub(crate) async fn run(context: &Context, transcoded: Transcoded) -> Result<Packaged, StepError> {
    context.enter(AssetState::Packaging).await?;
    let node = &context.node;
    let probed = &transcoded.probed;
    let stored = node.catalog.segments(&probed.source, &probed.key).await?;
    let files = unit_files(context, &transcoded).await?;
    let store = node.store.clone();
    blocking(move || {
        let mut package = Package::new(store, files);
        let tracks = package.tracks(&transcoded, &stored)?;
        package.texts(&transcoded, &Presentation { tracks })?;
        package.finish()
    })
    .await
}

/// Every file of every unit, by name, with what a directory needs to link to it.
async fn unit_files(
    context: &Context,
    transcoded: &Transcoded,
) -> Result<HashMap<String, Target>, StepError> {
    let node = &context.node;
    let probed = &transcoded.probed;
    let mut files = HashMap::new();
    for unit in node
        .catalog
        .units(&probed.source, &probed.key)
        .await?
        .into_values()
    {
        for entry in list(&node.blocks, &unit.root).await? {
            files.insert(
                entry.name,
                Target {
                    cid: entry.cid,
                    dag_bytes: entry.dag_bytes,
                },
            );
        }
    }
    Ok(files)
}

/// A directory in the making.
struct Package {
    store: Store,
    guard: InFlight,
    unit_files: HashMap<String, Target>,
    tree: Tree,
    /// Size of every file by its path.
    sizes: BTreeMap<String, u64>,
    /// CID of every linked file by its path, to read it back.
    cids: HashMap<String, Cid>,
    /// What was written here, to read it back: a long playlist is more than one block.
    written: HashMap<String, Bytes>,
}

impl Package {
    fn new(store: Store, unit_files: HashMap<String, Target>) -> Self {
        Self {
            guard: store.in_flight(),
            store,
            unit_files,
            tree: Tree::new(),
            sizes: BTreeMap::new(),
            cids: HashMap::new(),
            written: HashMap::new(),
        }
    }

    /// Links every segment to its place, and measures the tracks.
    fn tracks(
        &mut self,
        transcoded: &Transcoded,
        stored: &BTreeMap<RenditionName, StoredRendition>,
    ) -> Result<Vec<Track>, StepError> {
        let plan = &transcoded.probed.plan;
        let video = plan.video.iter().cloned().map(TrackKind::Video);
        let audio = plan.audio.iter().cloned().map(TrackKind::Audio);
        video
            .chain(audio)
            .map(|kind| self.track(kind, stored))
            .collect()
    }

    fn track(
        &mut self,
        kind: TrackKind,
        stored: &BTreeMap<RenditionName, StoredRendition>,
    ) -> Result<Track, StepError> {
        let branch = layout::Branch::from(&kind);
        let name = match &kind {
            TrackKind::Video(rendition) => rendition.name.clone(),
            TrackKind::Audio(rendition) => rendition.name.clone(),
        };
        let rendition = stored.get(&name);
        let lost = || StepError::NoSegments {
            rendition: name.clone(),
        };
        let rendition = rendition
            .filter(|r| !r.segments.is_empty())
            .ok_or_else(lost)?;
        let [init] = rendition.inits.as_slice() else {
            return Err(StepError::InitsDiffer { rendition: name });
        };
        self.link(&layout::init(branch, &name), &init_name(&name), init.bytes)
            .ok_or_else(lost)??;
        let info = InitInfo::parse(&self.store.get(&init.cid)?)?;
        let mut segments = Vec::with_capacity(rendition.segments.len());
        // Files are numbered as they come: a chunk may hold fewer segments than were planned.
        for (number, segment) in (0u32..).zip(&rendition.segments) {
            let path = layout::segment(branch, &name, number);
            self.link(&path, &segment_name(&name, segment.index), segment.bytes)
                .ok_or_else(|| StepError::SegmentLost {
                    rendition: name.clone(),
                    index: segment.index,
                })??;
            segments.push(SegmentMeta {
                duration: segment.duration,
                bytes: segment.bytes,
            });
        }
        Ok(Track {
            kind,
            init: info,
            segments,
        })
    }

    /// Links a unit's file to its path; `None` if no unit has it.
    fn link(&mut self, path: &str, unit_file: &str, bytes: u64) -> Option<Result<(), StepError>> {
        let target = *self.unit_files.get(unit_file)?;
        Some(self.place(path, target, bytes))
    }

    fn place(&mut self, path: &str, target: Target, bytes: u64) -> Result<(), StepError> {
        self.guard.hold(&target.cid);
        self.tree.insert(path, target)?;
        self.sizes.insert(path.to_owned(), bytes);
        self.cids.insert(path.to_owned(), target.cid);
        Ok(())
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<(), StepError> {
        let link = add_bytes(&self.store, &self.guard, bytes)?;
        self.written
            .insert(path.to_owned(), Bytes::copy_from_slice(bytes));
        self.place(path, Target::from(link), link.bytes)
    }

    /// Adds everything that is computed from the tracks.
    fn texts(
        &mut self,
        transcoded: &Transcoded,
        presentation: &Presentation,
    ) -> Result<(), StepError> {
        let longest = transcoded.probed.plan.segments.longest();
        for track in &presentation.tracks {
            let path = layout::playlist(track.branch(), track.name());
            let playlist = hls::media(track, hls::Kind::Vod, longest, hls::package_uri);
            self.write(&path, playlist.as_bytes())?;
        }
        if let Some(poster) = &transcoded.poster {
            self.write(layout::POSTER, poster)?;
        }
        self.write(layout::MASTER, hls::master(presentation).as_bytes())?;
        self.write(layout::MANIFEST, dash::manifest(presentation).as_bytes())?;
        let probed = &transcoded.probed;
        let source = SourceDocument {
            cid: probed.source,
            bytes: probed.source_bytes,
        };
        let document = AssetDocument::of(presentation, &probed.plan, source);
        let json = asset_json::write(&document);
        self.write(layout::ASSET_JSON, json.as_bytes())
    }

    /// Builds the directories, after reading everything back.
    fn finish(self) -> Result<Packaged, StepError> {
        let read = |path: &str| -> Option<Bytes> {
            let stored = || self.cids.get(path).and_then(|cid| self.store.get(cid).ok());
            self.written.get(path).cloned().or_else(stored)
        };
        check::package(&self.sizes, read)?;
        let root = self.tree.finish(&self.store, &self.guard)?;
        Ok(Packaged {
            root: RootCid::new(root.cid),
            bytes: self.sizes.values().sum(),
            guard: self.guard,
        })
    }
}
