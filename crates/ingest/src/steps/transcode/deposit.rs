//! Puts the files of a unit into the store: blocks first, then one sync, one pin, one row.

use bytes::Bytes;
use cidcast_catalog::{NewInit, NewSegment, NewUnit, UnitName};
use cidcast_ipfs::unixfs::add::{FileLink, Tree, add_bytes};
use cidcast_media::mp4::{InitInfo, Part, SegmentInfo, Splitter, number_segment};
use cidcast_store::{Audience, Holder, InFlight, Store};
use cidcast_types::RenditionName;

use crate::failure::StepError;

/// Files of one unit on their way into the store. Until [`Deposit::save`] they are held, not
/// pinned: dropping the deposit lets the store delete them.
pub(super) struct Deposit {
    store: Store,
    guard: InFlight,
    files: Vec<(String, FileLink)>,
    inits: Vec<NewInit>,
    segments: Vec<NewSegment>,
}

/// A unit whose blocks are synced and pinned, with the row that says so.
pub(super) struct Deposited {
    pub(super) row: NewUnit,
}

impl Deposit {
    pub(super) fn new(store: Store) -> Self {
        let guard = store.in_flight();
        Self {
            store,
            guard,
            files: Vec::new(),
            inits: Vec::new(),
            segments: Vec::new(),
        }
    }

    fn add(&mut self, name: String, bytes: &[u8]) -> Result<FileLink, StepError> {
        let link = add_bytes(&self.store, &self.guard, bytes)?;
        self.files.push((name, link));
        Ok(link)
    }

    /// Syncs and pins what is here, and lets go of nothing: more files may follow.
    pub(super) fn save(
        &self,
        name: UnitName,
        holder: &Holder,
        audience: Audience,
    ) -> Result<Deposited, StepError> {
        let mut tree = Tree::new();
        for (file, link) in &self.files {
            tree.insert(file, *link)?;
        }
        let root = tree.finish(&self.store, &self.guard)?;
        self.store.sync()?;
        self.store.pin(holder, &root.cid, audience)?;
        let row = NewUnit {
            name,
            root: root.cid,
            bytes: self.files.iter().map(|(_, link)| link.bytes).sum(),
            inits: self.inits.clone(),
            segments: self.segments.clone(),
        };
        Ok(Deposited { row })
    }
}

/// Splits one rendition's bytes into its initialisation segment and numbered media segments.
pub(super) struct Track {
    rendition: RenditionName,
    splitter: Splitter,
    init: Option<InitInfo>,
    first: u32,
    count: u32,
}

impl Track {
    pub(super) fn new(rendition: RenditionName, first: u32) -> Self {
        Self {
            rendition,
            splitter: Splitter::new(),
            init: None,
            first,
            count: 0,
        }
    }

    /// How many media segments there are so far.
    pub(super) fn segments(&self) -> u32 {
        self.count
    }

    /// Takes the next bytes of the encoder's output.
    pub(super) fn push(&mut self, bytes: &[u8], into: &mut Deposit) -> Result<(), StepError> {
        for part in self.splitter.push(bytes)? {
            self.part(part, into)?;
        }
        Ok(())
    }

    /// The encoder's output is whole.
    pub(super) fn end(&mut self, into: &mut Deposit) -> Result<(), StepError> {
        for part in std::mem::take(&mut self.splitter).finish()? {
            self.part(part, into)?;
        }
        if self.init.is_none() || self.count == 0 {
            return Err(StepError::NoSegments {
                rendition: self.rendition.clone(),
            });
        }
        Ok(())
    }

    fn part(&mut self, part: Part, into: &mut Deposit) -> Result<(), StepError> {
        match part {
            Part::Init(bytes) => self.init(&bytes, into),
            Part::Segment(bytes) => self.segment(&bytes, into),
        }
    }

    fn init(&mut self, bytes: &Bytes, into: &mut Deposit) -> Result<(), StepError> {
        self.init = Some(InitInfo::parse(bytes)?);
        let link = into.add(init_name(&self.rendition), bytes)?;
        into.inits.push(NewInit {
            rendition: self.rendition.clone(),
            cid: link.cid,
            bytes: link.bytes,
            info: "{}".to_owned(),
        });
        Ok(())
    }

    fn segment(&mut self, bytes: &Bytes, into: &mut Deposit) -> Result<(), StepError> {
        let Some(init) = &self.init else {
            return Err(StepError::NoSegments {
                rendition: self.rendition.clone(),
            });
        };
        let index = self.first + self.count;
        let numbered = number_segment(bytes, index)?;
        let info = SegmentInfo::parse(&numbered, init)?;
        let link = into.add(segment_name(&self.rendition, index), &numbered)?;
        into.segments.push(NewSegment {
            rendition: self.rendition.clone(),
            index,
            cid: link.cid,
            bytes: link.bytes,
            duration: info.duration,
            timescale: init.timescale,
        });
        self.count += 1;
        Ok(())
    }
}

/// Name of an initialisation segment in a unit's directory.
pub(crate) fn init_name(rendition: &RenditionName) -> String {
    format!("{rendition}-init.mp4")
}

/// Name of a media segment in a unit's directory.
pub(crate) fn segment_name(rendition: &RenditionName, index: u32) -> String {
    format!("{rendition}-{index:05}.m4s")
}
