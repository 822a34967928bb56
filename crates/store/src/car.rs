//! CAR files (CARv1 specification): export in depth-first order, import without trust.

mod blocking;

use std::collections::HashSet;
use std::io::{self, BufReader, BufWriter, Read, Write};

use cid::Cid;
use iroh_car::{CarHeader, CarReader, CarWriter};

use crate::dag::{Visit, Walk};
use crate::error::{ExportError, ImportError};
use crate::links::is_leaf;
use crate::pins::{Audience, Holder};
use crate::store::Store;
use blocking::{Blocking, finish};

const BUFFER: usize = 1 << 20;

/// Bounds of one CAR import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportLimits {
    /// Bytes of all blocks. Default 1 TiB.
    pub max_bytes: u64,
    /// Blocks. Default 4,000,000.
    pub max_blocks: u64,
    /// Roots in the header. Default 64.
    pub max_roots: u64,
}

impl Default for ImportLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1 << 40,
            max_blocks: 4_000_000,
            max_roots: 64,
        }
    }
}

/// One of several CARs of a DAG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedCar {
    /// The file.
    pub bytes: Vec<u8>,
    /// Blocks in it.
    pub blocks: u64,
}

/// A CAR that is being written.
struct OpenCar {
    writer: CarWriter<Blocking<Vec<u8>>>,
    bytes: usize,
    blocks: u64,
}

impl OpenCar {
    fn begin(root: &Cid) -> Result<Self, ExportError> {
        let header = CarHeader::new_v1(vec![*root]);
        let mut writer = CarWriter::new(header, Blocking(Vec::new()));
        finish(writer.write_header()).map_err(ExportError::Write)?;
        Ok(Self {
            writer,
            bytes: 0,
            blocks: 0,
        })
    }

    fn write(&mut self, cid: &Cid, data: &[u8]) -> Result<(), ExportError> {
        self.bytes += data.len();
        self.blocks += 1;
        let written = finish(self.writer.write(*cid, data));
        written.map(drop).map_err(ExportError::Write)
    }

    fn end(self) -> Result<ExportedCar, ExportError> {
        let writer = finish(self.writer.finish()).map_err(ExportError::Write)?;
        Ok(ExportedCar {
            bytes: writer.0,
            blocks: self.blocks,
        })
    }
}

impl Store {
    /// Writes the DAG under `root` as CARv1: depth first, each block once, so that the same DAG
    /// gives the same bytes.
    pub fn export_car(&self, root: &Cid, to: impl Write + Send) -> Result<(), ExportError> {
        let header = CarHeader::new_v1(vec![*root]);
        let writer = Blocking(BufWriter::with_capacity(BUFFER, Box::new(to)));
        let mut writer = CarWriter::new(header, writer);
        finish(writer.write_header()).map_err(ExportError::Write)?;
        self.each_block(root, |cid, data| {
            let written = finish(writer.write(*cid, data));
            written.map(drop).map_err(ExportError::Write)
        })?;
        let finished = finish(writer.finish());
        finished.map(drop).map_err(ExportError::Write)
    }

    /// As [`Self::export_car`], in CARs of at most `limit` bytes of blocks, or one block: each has
    /// the root in its header, and the next blocks. The same DAG and limit give the same CARs.
    ///
    /// # Errors
    ///
    /// [`ExportError`]; one of `each` ends it.
    pub fn export_cars(
        &self,
        root: &Cid,
        limit: usize,
        mut each: impl FnMut(ExportedCar) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let mut car = OpenCar::begin(root)?;
        self.each_block(root, |cid, data| {
            if car.blocks > 0 && car.bytes + data.len() > limit {
                let full = std::mem::replace(&mut car, OpenCar::begin(root)?);
                each(full.end()?).map_err(|error| ExportError::Write(error.into()))?;
            }
            car.write(cid, data)
        })?;
        each(car.end()?).map_err(|error| ExportError::Write(error.into()))
    }

    /// Reads every block of a DAG once, depth first.
    fn each_block(
        &self,
        root: &Cid,
        mut each: impl FnMut(&Cid, &[u8]) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        // Held while they are exported: an unpin meanwhile does not cut the file short.
        let guard = self.in_flight();
        let mut walk = Walk::new(root, self.core.settings.max_dag_blocks);
        while let Some(step) = walk.next()? {
            guard.hold_key(step.key);
            let missing = || ExportError::Missing {
                root: Box::new(*root),
                cid: step.cid,
            };
            let data = self.core.folder.read(&step.key)?.ok_or_else(missing)?;
            if !is_leaf(&step.cid) {
                walk.expand(&step.cid, &data)?;
            }
            if step.visit == Visit::First {
                each(&step.cid, &data)?;
            }
        }
        Ok(())
    }

    /// Reads a CARv1 file, checks each block against its CID, and pins the file's roots for
    /// `holder`: all of them or none. Blocks that no root reaches are deleted afterwards.
    pub fn import_car(
        &self,
        from: impl Read + Send,
        holder: &Holder,
        audience: Audience,
    ) -> Result<Vec<Cid>, ImportError> {
        self.import_cars([Ok(from)], holder, audience)
    }

    /// As [`Self::import_car`], from several files that belong together: roots are pinned when the
    /// last one has been read. The first error of `files` ends it.
    ///
    /// # Errors
    ///
    /// [`ImportError`]; nothing is pinned.
    pub fn import_cars<R: Read + Send>(
        &self,
        files: impl IntoIterator<Item = io::Result<R>>,
        holder: &Holder,
        audience: Audience,
    ) -> Result<Vec<Cid>, ImportError> {
        let limits = self.core.settings.import;
        let guard = self.in_flight();
        let (mut blocks, mut bytes, mut roots) = (0, 0, Vec::new());
        for file in files {
            let file = file.map_err(|error| ImportError::Read(error.into()))?;
            let from = Blocking(BufReader::with_capacity(BUFFER, Box::new(file)));
            let mut reader = finish(CarReader::new(from)).map_err(ImportError::Read)?;
            roots = distinct(roots.iter().chain(reader.header().roots()));
            within("roots", roots.len() as u64, limits.max_roots)?;
            while let Some((cid, data)) = finish(reader.next_block()).map_err(ImportError::Read)? {
                blocks += 1;
                bytes += data.len() as u64;
                within("blocks", blocks, limits.max_blocks)?;
                within("bytes", bytes, limits.max_bytes)?;
                self.put_verified(&cid, &data, &guard)?;
            }
        }
        self.pin_all(holder, &roots, audience)?;
        Ok(roots)
    }
}

fn within(what: &'static str, value: u64, limit: u64) -> Result<(), ImportError> {
    if value > limit {
        Err(ImportError::TooLarge { what, limit })
    } else {
        Ok(())
    }
}

fn distinct<'a>(roots: impl IntoIterator<Item = &'a Cid>) -> Vec<Cid> {
    let mut seen = HashSet::new();
    roots
        .into_iter()
        .copied()
        .filter(|root| seen.insert(*root))
        .collect()
}
