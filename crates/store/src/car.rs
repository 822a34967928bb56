//! CAR files (CARv1 specification): export in depth-first order, import without trust.

mod blocking;

use std::collections::HashSet;
use std::io::{BufReader, BufWriter, Read, Write};

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

impl Store {
    /// Writes the DAG under `root` as CARv1: depth first, each block once, so that the same DAG
    /// gives the same bytes.
    pub fn export_car(&self, root: &Cid, to: impl Write + Send) -> Result<(), ExportError> {
        let header = CarHeader::new_v1(vec![*root]);
        let writer = Blocking(BufWriter::with_capacity(BUFFER, Box::new(to)));
        let mut writer = CarWriter::new(header, writer);
        finish(writer.write_header()).map_err(ExportError::Write)?;
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
                finish(writer.write(step.cid, &data)).map_err(ExportError::Write)?;
            }
        }
        finish(writer.finish())
            .map(drop)
            .map_err(ExportError::Write)
    }

    /// Reads a CARv1 file, checks each block against its CID, and pins the file's roots for
    /// `holder`: all of them or none. Blocks that no root reaches are deleted afterwards.
    pub fn import_car(
        &self,
        from: impl Read + Send,
        holder: &Holder,
        audience: Audience,
    ) -> Result<Vec<Cid>, ImportError> {
        let limits = self.core.settings.import;
        let from = Blocking(BufReader::with_capacity(BUFFER, Box::new(from)));
        let mut reader = finish(CarReader::new(from)).map_err(ImportError::Read)?;
        let roots = distinct(reader.header().roots());
        within("roots", roots.len() as u64, limits.max_roots)?;
        let guard = self.in_flight();
        let (mut blocks, mut bytes) = (0, 0);
        while let Some((cid, data)) = finish(reader.next_block()).map_err(ImportError::Read)? {
            blocks += 1;
            bytes += data.len() as u64;
            within("blocks", blocks, limits.max_blocks)?;
            within("bytes", bytes, limits.max_bytes)?;
            self.put_verified(&cid, &data, &guard)?;
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

fn distinct(roots: &[Cid]) -> Vec<Cid> {
    let mut seen = HashSet::new();
    roots
        .iter()
        .copied()
        .filter(|root| seen.insert(*root))
        .collect()
}
