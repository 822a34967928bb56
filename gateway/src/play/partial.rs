//! Packages of which only some renditions are here: copies that a small node keeps.
//!
//! Their master playlist and manifest list what is here and nothing else, so that they play without the rest of
//! the network. Which renditions those are stands in the catalog; what it said is remembered for a
//! few seconds, because a playlist is asked for often and the answer changes seldom.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cidcast_media::dash::{self, DashError};
use cidcast_media::hls;
use cidcast_types::{Cid, RenditionName, RootCid};

use super::catalog_problem;
use crate::Gateway;
use crate::problem::Problem;

/// How long an answer of the catalog is used.
const FRESH: Duration = Duration::from_secs(5);

/// What is here of a package: `None` for all that there is.
pub(crate) type Part = Option<Arc<[RenditionName]>>;

/// What the catalog said of a package, and when.
#[derive(Debug, Clone)]
pub(crate) struct KnownPart {
    part: Part,
    asked: Instant,
}

impl Gateway {
    /// Which renditions of a package are here, if it is not all of them.
    pub(super) async fn part_of(&self, root: &Cid) -> Result<Part, Problem> {
        if let Some(known) = self.parts.get(root)
            && known.asked.elapsed() < FRESH
        {
            return Ok(known.part);
        }
        let root_cid = RootCid::new(*root);
        let part = self
            .in_time(self.catalog.part_of_package(&root_cid))
            .await?
            .map_err(|error| catalog_problem(&error))?;
        let part: Part = part.map(Arc::from);
        let known = KnownPart {
            part: part.clone(),
            asked: Instant::now(),
        };
        self.parts.insert(*root, known, 1);
        Ok(part)
    }
}

/// The DASH manifest of a package of which only `renditions` are here.
pub(super) fn cut_manifest(text: &str, renditions: &[RenditionName]) -> Result<String, DashError> {
    dash::only_with(text, |id| renditions.iter().any(|here| here.as_str() == id))
}

/// The master playlist of a package of which only `renditions` are here.
pub(super) fn cut(text: &str, renditions: &[RenditionName]) -> Result<String, hls::HlsError> {
    hls::only_with(text, |uri| {
        // video/720p/playlist.m3u8
        let name = uri.rsplit('/').nth(1).unwrap_or_default();
        renditions.iter().any(|here| here.as_str() == name)
    })
}
