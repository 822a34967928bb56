//! Finished units of work, found by source, plan and name.

use std::collections::BTreeMap;

use cidcast_media::plan::PlanKey;
use cidcast_types::{Cid, RenditionName};
use sqlx::{Sqlite, Transaction};

use crate::row::{count, integer, parse, size};
use crate::unit::{NewUnit, StoredInit, StoredRendition, StoredSegment, Unit, UnitName};
use crate::{Catalog, CatalogError};

impl Catalog {
    /// The unit, if it is finished.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn unit(
        &self,
        source: &Cid,
        key: &PlanKey,
        name: &UnitName,
    ) -> Result<Option<Unit>, CatalogError> {
        let (source, key, name) = (source.to_string(), key.to_string(), name.to_string());
        let row = sqlx::query!(
            "SELECT root, bytes FROM units WHERE source = ? AND plan_key = ? AND name = ?",
            source,
            key,
            name
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(Unit {
                root: parse("units.root", &row.root)?,
                bytes: size("units.bytes", row.bytes)?,
            })
        })
        .transpose()
    }

    /// Every finished unit of a plan, by name.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn units(
        &self,
        source: &Cid,
        key: &PlanKey,
    ) -> Result<BTreeMap<UnitName, Unit>, CatalogError> {
        let (source, key) = (source.to_string(), key.to_string());
        let rows = sqlx::query!(
            "SELECT name, root, bytes FROM units WHERE source = ? AND plan_key = ?",
            source,
            key
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let root = parse("units.root", &row.root)?;
                let unit = Unit {
                    root,
                    bytes: size("units.bytes", row.bytes)?,
                };
                Ok((parse("units.name", &row.name)?, unit))
            })
            .collect()
    }

    /// Saves a finished unit with its segments, all or nothing. One that was saved before under
    /// the same name is replaced whole, so the call can be repeated; a finished sound rendition
    /// also replaces its own beginning ([`UnitName::AudioSoFar`]).
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn save_unit(
        &self,
        source: &Cid,
        key: &PlanKey,
        unit: &NewUnit,
    ) -> Result<(), CatalogError> {
        let (source, key, name) = (source.to_string(), key.to_string(), unit.name.to_string());
        let (root, bytes) = (unit.root.to_string(), integer(unit.bytes));
        let so_far = match &unit.name {
            UnitName::Audio(rendition) => UnitName::AudioSoFar(rendition.clone()).to_string(),
            _ => name.clone(),
        };
        let mut write = self.write().await?;
        sqlx::query!(
            "DELETE FROM units WHERE source = ? AND plan_key = ? AND name IN (?, ?)",
            source,
            key,
            name,
            so_far
        )
        .execute(&mut *write)
        .await?;
        let row = sqlx::query!(
            "INSERT INTO units (source, plan_key, name, root, bytes) VALUES (?, ?, ?, ?, ?)",
            source,
            key,
            name,
            root,
            bytes
        )
        .execute(&mut *write)
        .await?;
        insert_files(&mut write, row.last_insert_rowid(), unit).await?;
        Ok(write.commit().await?)
    }

    /// What is there of each rendition of a plan: all that a playlist needs.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn segments(
        &self,
        source: &Cid,
        key: &PlanKey,
    ) -> Result<BTreeMap<RenditionName, StoredRendition>, CatalogError> {
        let (source, key) = (source.to_string(), key.to_string());
        // One transaction: a unit that is saved in between shows up in both parts or in neither.
        let mut read = self.reader.begin().await?;
        let inits = sqlx::query!(
            "SELECT rendition, cid, inits.bytes AS bytes, info FROM inits
             JOIN units ON units.seq = inits.unit
             WHERE source = ? AND plan_key = ? ORDER BY name",
            source,
            key
        )
        .fetch_all(&mut *read)
        .await?;
        let segments = sqlx::query!(
            "SELECT rendition, position, cid, segments.bytes AS bytes, duration, timescale
             FROM segments JOIN units ON units.seq = segments.unit
             WHERE source = ? AND plan_key = ? ORDER BY rendition, position",
            source,
            key
        )
        .fetch_all(&mut *read)
        .await?;
        read.commit().await?;
        let mut found: BTreeMap<RenditionName, StoredRendition> = BTreeMap::new();
        for row in inits {
            let inits = &mut found
                .entry(parse("inits.rendition", &row.rendition)?)
                .or_default()
                .inits;
            let cid = parse("inits.cid", &row.cid)?;
            if inits.iter().all(|init| init.cid != cid) {
                inits.push(StoredInit {
                    cid,
                    bytes: size("inits.bytes", row.bytes)?,
                    info: row.info,
                });
            }
        }
        for row in segments {
            let rendition = found
                .entry(parse("segments.rendition", &row.rendition)?)
                .or_default();
            rendition.segments.push(StoredSegment {
                index: count("segments.position", row.position)?,
                cid: parse("segments.cid", &row.cid)?,
                bytes: size("segments.bytes", row.bytes)?,
                duration: size("segments.duration", row.duration)?,
                timescale: count("segments.timescale", row.timescale)?,
            });
        }
        Ok(found)
    }

    /// Removes the units of a plan, unless an asset still has that source and plan, and answers
    /// the roots of those removed. Call it after the asset's own row is gone.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn drop_units_unless_used(
        &self,
        source: &Cid,
        key: &PlanKey,
    ) -> Result<Vec<Cid>, CatalogError> {
        let (source, key) = (source.to_string(), key.to_string());
        let mut write = self.write().await?;
        let roots = sqlx::query_scalar!(
            "DELETE FROM units WHERE source = ?1 AND plan_key = ?2 AND NOT EXISTS (
                 SELECT 1 FROM assets WHERE source_cid = ?1 AND assets.plan_key = ?2)
             RETURNING root",
            source,
            key
        )
        .fetch_all(&mut *write)
        .await?;
        write.commit().await?;
        roots.iter().map(|root| parse("units.root", root)).collect()
    }
}

async fn insert_files(
    write: &mut Transaction<'static, Sqlite>,
    row: i64,
    unit: &NewUnit,
) -> Result<(), CatalogError> {
    for init in &unit.inits {
        let (cid, bytes) = (init.cid.to_string(), integer(init.bytes));
        let rendition = init.rendition.as_str();
        sqlx::query!(
            "INSERT INTO inits (unit, rendition, cid, bytes, info) VALUES (?, ?, ?, ?, ?)",
            row,
            rendition,
            cid,
            bytes,
            init.info
        )
        .execute(&mut **write)
        .await?;
    }
    for segment in &unit.segments {
        let (cid, bytes) = (segment.cid.to_string(), integer(segment.bytes));
        let (rendition, duration) = (segment.rendition.as_str(), integer(segment.duration));
        sqlx::query!(
            "INSERT INTO segments (unit, rendition, position, cid, bytes, duration, timescale)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
            rendition,
            segment.index,
            cid,
            bytes,
            duration,
            segment.timescale
        )
        .execute(&mut **write)
        .await?;
    }
    Ok(())
}
