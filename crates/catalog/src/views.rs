//! How often something was watched: a count for each asset, node and day, and nothing else.

use std::collections::BTreeMap;

use cidcast_announce::{Day, NodeId, Publisher};
use cidcast_types::{AssetId, RootCid, Timestamp};

use crate::copy::{Noted, NoticeLimits};
use crate::replica::AssetOf;
use crate::replicas::{key, publisher_of};
use crate::row::{count, integer, millis, parse, size};
use crate::{Catalog, CatalogError};

/// What was watched, as a player names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watched {
    /// An asset of this node.
    Asset(AssetId),
    /// A package, whoever published it.
    Root(RootCid),
}

/// Views on one day, to be told to the publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayViews {
    /// Of what.
    pub of: AssetOf,
    /// When.
    pub day: Day,
    /// How many.
    pub count: u64,
}

/// How often an asset was watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ViewTotals {
    /// On this node.
    pub here: u64,
    /// On other nodes, as they said.
    pub elsewhere: u64,
    /// How many other nodes said so.
    pub nodes: u64,
    /// By day, the oldest first, both together: those days that are kept one by one.
    pub days: Vec<(Day, u64)>,
}

impl Catalog {
    /// Adds views on this node. What is neither an asset of this node nor announced counts for
    /// nobody; a package that several publishers announce counts for each of them.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn add_views(
        &self,
        views: &[(Watched, u64)],
        day: Day,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let own = self.own_publisher().await?;
        let mut counted: Vec<(AssetOf, u64)> = Vec::new();
        for (watched, views) in views {
            for of in self.watched(own.as_ref(), watched).await? {
                counted.push((of, *views));
            }
        }
        let (day, now) = (i64::from(day.since_epoch()), millis(now));
        let mut write = self.write().await?;
        for (of, views) in counted {
            let (publisher, asset) = key(&of);
            let views = integer(views);
            sqlx::query!(
                "INSERT INTO views (publisher, asset, node, day, count, at)
                 VALUES (?1, ?2, x'', ?3, ?4, ?5)
                 ON CONFLICT (publisher, asset, node, day)
                     DO UPDATE SET count = count + ?4, at = ?5",
                publisher,
                asset,
                day,
                views,
                now
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Notes what another node counted on a day. A later word of it on the same day replaces the
    /// earlier one.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_views(
        &self,
        node: &NodeId,
        views: &DayViews,
        at: Timestamp,
        limits: NoticeLimits,
    ) -> Result<Noted, CatalogError> {
        let (publisher, asset) = key(&views.of);
        let node = node.as_bytes().as_slice();
        let (day, at) = (i64::from(views.day.since_epoch()), millis(at));
        let count = integer(views.count);
        let mut write = self.write().await?;
        let before = sqlx::query_scalar!(
            "SELECT at FROM views WHERE publisher = ? AND asset = ? AND node = ? AND day = ?",
            publisher,
            asset,
            node,
            day
        )
        .fetch_optional(&mut *write)
        .await?;
        match before {
            Some(before) if before >= at => return Ok(Noted::Old),
            Some(_) => {}
            None => {
                let row = sqlx::query!(
                    r#"SELECT (SELECT COUNT(*) FROM views WHERE node = ?1) AS "of_node!: i64",
                           views AS "all!" FROM notice_usage"#,
                    node
                )
                .fetch_one(&mut *write)
                .await?;
                let is_full =
                    row.of_node >= i64::from(limits.per_node) || row.all >= i64::from(limits.total);
                if is_full {
                    return Ok(Noted::Full);
                }
            }
        }
        sqlx::query!(
            "INSERT INTO views (publisher, asset, node, day, count, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (publisher, asset, node, day) DO UPDATE SET count = ?5, at = ?6",
            publisher,
            asset,
            node,
            day,
            count,
            at
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(Noted::Saved)
    }

    /// Views on this node before `day` of which their publisher was not told in full, oldest
    /// first. The publisher of this node is not told anything.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn untold_views(
        &self,
        before: Day,
        limit: u32,
    ) -> Result<Vec<DayViews>, CatalogError> {
        let before = i64::from(before.since_epoch());
        let rows = sqlx::query!(
            "SELECT publisher, asset, day, count FROM views
             WHERE node = x'' AND day < ? AND day > 0 AND count > told
                 AND publisher NOT IN (SELECT key FROM publishers WHERE own > 0)
             ORDER BY day, publisher, asset LIMIT ?",
            before,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(DayViews {
                    of: AssetOf {
                        publisher: publisher_of("views.publisher", &row.publisher)?,
                        asset: parse("views.asset", &row.asset)?,
                    },
                    day: day("views.day", row.day)?,
                    count: size("views.count", row.count)?,
                })
            })
            .collect()
    }

    /// Notes that a publisher was told of views, or never will be.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn views_told(&self, told: &[DayViews]) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        for views in told {
            let (publisher, asset) = key(&views.of);
            let (day, count) = (i64::from(views.day.since_epoch()), integer(views.count));
            sqlx::query!(
                "UPDATE views SET told = ?
                 WHERE publisher = ? AND asset = ? AND node = x'' AND day = ?",
                count,
                publisher,
                asset,
                day
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// How often an asset was watched.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn view_totals(&self, of: &AssetOf) -> Result<ViewTotals, CatalogError> {
        let (publisher, asset) = key(of);
        let rows = sqlx::query!(
            r#"SELECT length(node) = 0 AS "here!: bool", day, SUM(count) AS "count!: i64",
                   COUNT(*) AS "rows!: i64"
               FROM views WHERE publisher = ? AND asset = ? GROUP BY 1, day ORDER BY day"#,
            publisher,
            asset
        )
        .fetch_all(&self.reader)
        .await?;
        let nodes = sqlx::query_scalar!(
            r#"SELECT COUNT(DISTINCT node) AS "nodes!: i64" FROM views
               WHERE publisher = ? AND asset = ? AND length(node) > 0"#,
            publisher,
            asset
        )
        .fetch_one(&self.reader)
        .await?;
        let mut totals = ViewTotals {
            nodes: size("count", nodes)?,
            ..ViewTotals::default()
        };
        for row in rows {
            let views = size("views.count", row.count)?;
            match row.here {
                true => totals.here += views,
                false => totals.elsewhere += views,
            }
            if row.day == 0 {
                continue;
            }
            let day = day("views.day", row.day)?;
            match totals.days.last_mut() {
                Some((last, sum)) if *last == day => *sum += views,
                _ => totals.days.push((day, views)),
            }
        }
        Ok(totals)
    }

    /// How often each asset of a publisher was watched on this node.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn views_here(
        &self,
        publisher: &Publisher,
    ) -> Result<BTreeMap<AssetId, u64>, CatalogError> {
        let publisher = publisher.as_bytes().as_slice();
        let rows = sqlx::query!(
            r#"SELECT asset, SUM(count) AS "count!: i64" FROM views
               WHERE publisher = ? AND node = x'' GROUP BY asset"#,
            publisher
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok((
                    parse("views.asset", &row.asset)?,
                    size("views.count", row.count)?,
                ))
            })
            .collect()
    }

    /// Adds up what is older than `before` under the first of all days, so that rows do not grow
    /// with time.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn fold_views(&self, before: Day) -> Result<(), CatalogError> {
        let before = i64::from(before.since_epoch());
        let mut write = self.write().await?;
        sqlx::query!(
            "INSERT INTO views (publisher, asset, node, day, count, told, at)
             SELECT publisher, asset, node, 0, SUM(count), SUM(count), MAX(at) FROM views
             WHERE day > 0 AND day < ? GROUP BY publisher, asset, node
             ON CONFLICT (publisher, asset, node, day)
                 DO UPDATE SET count = count + excluded.count, told = told + excluded.count",
            before
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!("DELETE FROM views WHERE day > 0 AND day < ?", before)
            .execute(&mut *write)
            .await?;
        Ok(write.commit().await?)
    }

    /// Whose asset was watched.
    async fn watched(
        &self,
        own: Option<&Publisher>,
        watched: &Watched,
    ) -> Result<Vec<AssetOf>, CatalogError> {
        let mine = |asset| {
            own.map(|publisher| AssetOf {
                publisher: *publisher,
                asset,
            })
        };
        match watched {
            Watched::Asset(asset) => {
                let found = self.get(asset).await?;
                Ok(found.and_then(|asset| mine(asset.id)).into_iter().collect())
            }
            Watched::Root(root) => {
                let here = self.by_root(root).await?;
                let announced = self.announced_by_root(root).await?;
                let mut all: Vec<AssetOf> =
                    here.iter().filter_map(|asset| mine(asset.id)).collect();
                all.extend(announced.iter().map(|asset| AssetOf {
                    publisher: asset.publisher,
                    asset: asset.content.asset,
                }));
                all.sort();
                all.dedup();
                Ok(all)
            }
        }
    }
}

/// The day with this number.
fn day(column: &'static str, number: i64) -> Result<Day, CatalogError> {
    const MILLIS: u64 = 24 * 3600 * 1000;
    let number = u64::from(count(column, number)?);
    Ok(Day::of(Timestamp::from_millis(number * MILLIS)))
}
