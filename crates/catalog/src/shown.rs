//! What a page of a list shows besides its rows, asked once for the page.

use std::collections::BTreeMap;

use cidcast_announce::{NodeId, Outcome, Publisher};
use cidcast_types::{AssetId, PinState, RootCid, Timestamp};

use crate::copies::{CopyRow, outcome};
use crate::copy::Copy;
use crate::replica::{AssetOf, Renditions};
use crate::replicas::{hex, key, publisher_of, renditions_from_json};
use crate::row::{millis, parse, size, to_document};
use crate::{Catalog, CatalogError};

/// What is known here of an announced asset, besides its announcement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether this node announces it.
    pub is_own: bool,
    /// The copy here, if there is one or one is on its way.
    pub copy: Option<CopyHere>,
    /// Nodes that promise to hold a copy.
    pub copies: u64,
    /// How often it was watched, here and elsewhere.
    pub views: u64,
}

/// How a copy here stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyHere {
    /// Its state.
    pub state: PinState,
    /// What is held of which package.
    pub held: Option<(RootCid, Renditions)>,
}

/// What is held of one publisher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// Whose.
    pub publisher: Publisher,
    /// What it calls itself; may be empty.
    pub name: String,
    /// How many assets.
    pub assets: u64,
    /// How much they take.
    pub bytes: u64,
}

/// A copy of an asset on another node, with what its own node knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyAway {
    /// As its node said.
    pub copy: Copy,
    /// The asset's title, if it is here.
    pub title: Option<String>,
    /// What the node did when the asset was retracted.
    pub outcome: Option<Outcome>,
}

impl Catalog {
    /// What is known of announced assets: one for each, in their order.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn standings(
        &self,
        assets: &[AssetOf],
        now: Timestamp,
    ) -> Result<Vec<Standing>, CatalogError> {
        let pairs = assets.iter().map(|of| {
            let (publisher, asset) = key(of);
            [hex(publisher), asset]
        });
        let pairs = to_document("standings", &pairs.collect::<Vec<_>>())?;
        let now = millis(now);
        let rows = sqlx::query!(
            r#"SELECT
                   EXISTS (SELECT 1 FROM publishers AS p WHERE p.key = page.publisher AND own > 0)
                       AS "own!: bool",
                   (SELECT COUNT(*) FROM copies AS c WHERE c.publisher = page.publisher
                       AND c.asset = page.asset AND c.state = 'held' AND c.until > ?2)
                       AS "copies!: i64",
                   ifnull((SELECT SUM(count) FROM views AS v WHERE v.publisher = page.publisher
                       AND v.asset = page.asset), 0) AS "views!: i64",
                   replicas.state AS "state?: String", held_root AS "held_root?: String",
                   held_renditions AS "held_renditions?: String"
               FROM (SELECT key AS place, unhex(json_extract(value, '$[0]')) AS publisher,
                       json_extract(value, '$[1]') AS asset FROM json_each(?1)) AS page
               LEFT JOIN replicas ON replicas.publisher = page.publisher
                   AND replicas.asset = page.asset
               ORDER BY page.place"#,
            pairs,
            now
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let copy = match row.state {
                    None => None,
                    Some(state) => Some(CopyHere {
                        state: parse("replicas.state", &state)?,
                        held: held(row.held_root, row.held_renditions)?,
                    }),
                };
                Ok(Standing {
                    is_own: row.own,
                    copy,
                    copies: size("count", row.copies)?,
                    views: size("views.count", row.views)?,
                })
            })
            .collect()
    }

    /// Titles of announced assets, as far as they are announced now, and names of their publishers.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn titles(
        &self,
        assets: &[AssetOf],
    ) -> Result<BTreeMap<AssetOf, (String, String)>, CatalogError> {
        let pairs = assets.iter().map(|of| {
            let (publisher, asset) = key(of);
            [hex(publisher), asset]
        });
        let pairs = to_document("titles", &pairs.collect::<Vec<_>>())?;
        let rows = sqlx::query!(
            r#"SELECT key AS "publisher!: Vec<u8>", page.asset AS "asset!: String",
                   name AS "name!: String", ifnull(title, '') AS "title!: String"
               FROM (SELECT unhex(json_extract(value, '$[0]')) AS publisher,
                       json_extract(value, '$[1]') AS asset FROM json_each(?)) AS page
               JOIN publishers ON publishers.key = page.publisher
               LEFT JOIN announced ON announced.publisher = publishers.id
                   AND announced.asset = page.asset"#,
            pairs
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let of = AssetOf {
                    publisher: publisher_of("publishers.key", &row.publisher)?,
                    asset: parse("announced.asset", &row.asset)?,
                };
                Ok((of, (row.name, row.title)))
            })
            .collect()
    }

    /// What copies here take, by publisher, most first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn fills(&self, limit: u32) -> Result<Vec<Fill>, CatalogError> {
        let rows = sqlx::query!(
            r#"SELECT held.publisher AS "publisher!: Vec<u8>", held.assets AS "assets!: i64",
                   held.bytes AS "bytes!: i64", ifnull(publishers.name, '') AS "name!: String"
               FROM (SELECT publisher, COUNT(*) AS assets, SUM(held_bytes) AS bytes FROM replicas
                       WHERE held_root IS NOT NULL GROUP BY publisher
                       ORDER BY 3 DESC, 1 LIMIT ?) AS held
               LEFT JOIN publishers ON publishers.key = held.publisher
               ORDER BY held.bytes DESC, held.publisher"#,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Fill {
                    publisher: publisher_of("replicas.publisher", &row.publisher)?,
                    name: row.name,
                    assets: size("count", row.assets)?,
                    bytes: size("replicas.held_bytes", row.bytes)?,
                })
            })
            .collect()
    }

    /// Up to `limit` copies of a publisher's assets that other nodes hold, by asset and node, after
    /// one of them.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn copies_away(
        &self,
        publisher: &Publisher,
        after: Option<(AssetId, NodeId)>,
        limit: u32,
    ) -> Result<Vec<CopyAway>, CatalogError> {
        let publisher = publisher.as_bytes().as_slice();
        let (asset, node) = match &after {
            None => (String::new(), &[][..]),
            Some((asset, node)) => (asset.to_string(), node.as_bytes().as_slice()),
        };
        let rows = sqlx::query!(
            r#"SELECT copies.publisher, copies.asset, copies.node, copies.root, renditions,
                   copies.state, until, copies.at, first_seen, copies.notice,
                   assets.title AS "title?: String", outcome AS "outcome?: String"
               FROM copies
               LEFT JOIN assets ON assets.id = copies.asset
               LEFT JOIN acknowledgements AS acks ON acks.publisher = copies.publisher
                   AND acks.asset = copies.asset AND acks.node = copies.node
               WHERE copies.publisher = ?1 AND copies.state = 'held'
                   AND (copies.asset, copies.node) > (?2, ?3)
               ORDER BY copies.asset, copies.node LIMIT ?4"#,
            publisher,
            asset,
            node,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let copy = CopyRow {
                    publisher: row.publisher,
                    asset: row.asset,
                    node: row.node,
                    root: row.root,
                    renditions: row.renditions,
                    state: row.state,
                    until: row.until,
                    at: row.at,
                    first_seen: row.first_seen,
                    notice: row.notice,
                };
                Ok(CopyAway {
                    copy: copy.into_copy()?,
                    title: row.title,
                    outcome: row.outcome.as_deref().map(outcome).transpose()?,
                })
            })
            .collect()
    }
}

fn held(
    root: Option<String>,
    renditions: Option<String>,
) -> Result<Option<(RootCid, Renditions)>, CatalogError> {
    let Some(root) = root else { return Ok(None) };
    let renditions = renditions_from_json("replicas.held_renditions", renditions)?;
    Ok(Some((parse("replicas.held_root", &root)?, renditions)))
}
