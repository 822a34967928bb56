//! Announced assets: lists and search over everything that is indexed here.
//!
//! Newest first, by the order in which they came to be known, as in [`crate::list`]. With a million
//! rows a word that is only begun would cost as much as all words that begin so: the last word of a
//! search is taken as whole if any asset has it, and as begun only if none has.

use cidcast_announce::Publisher;
use cidcast_types::{AssetId, RootCid};

use crate::feed::AnnouncedAsset;
use crate::feeds::{AnnouncedRow, digest};
use crate::list::{Cursor, MAX_PAGE, Page};
use crate::{Catalog, CatalogError, search};

/// Which announced assets to list. Hidden ones never are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnouncedQuery {
    /// Words to find in title, description and tags; the last may be unfinished if it is no word
    /// by itself. Text without a letter or digit finds everything.
    pub search: Option<String>,
    /// Only those of this publisher.
    pub publisher: Option<Publisher>,
    /// Where the last page ended ([`Page::next`]); `None` for the first page.
    pub cursor: Option<Cursor>,
    /// How many at most: 1 to [`MAX_PAGE`].
    pub limit: u32,
}

impl Default for AnnouncedQuery {
    /// The first page of everything.
    fn default() -> Self {
        Self {
            search: None,
            publisher: None,
            cursor: None,
            limit: 50,
        }
    }
}

impl Catalog {
    /// One page of the announced assets that `query` asks for, newest first.
    ///
    /// # Errors
    /// See [`CatalogError`]. No text of a user makes the search fail.
    pub async fn announced(
        &self,
        query: &AnnouncedQuery,
    ) -> Result<Page<AnnouncedAsset>, CatalogError> {
        let limit = query.limit.clamp(1, MAX_PAGE);
        let rows = match query.search.as_deref().map(search::words) {
            Some(words) if !words.is_empty() => self.announced_with(query, &words, limit).await?,
            _ => self.announced_by(query, limit).await?,
        };
        Page::cut(rows, limit, |row| row.id, AnnouncedRow::into_asset)
    }

    /// Every publisher's announcement of an asset, hidden ones too.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn announced_by_id(
        &self,
        asset: &AssetId,
    ) -> Result<Vec<AnnouncedAsset>, CatalogError> {
        let asset = asset.to_string();
        let rows = sqlx::query_as!(
            AnnouncedRow,
            "SELECT announced.id, key, name, asset, seq, at, root, title, description, tags,
                 created_at, duration_ms, announced.bytes, renditions, poster, language, copies_min,
                 copies_max, views, hidden
             FROM announced JOIN publishers ON publishers.id = announced.publisher
             WHERE asset = ? ORDER BY announced.id LIMIT 200",
            asset
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(AnnouncedRow::into_asset).collect()
    }

    /// Everything that is announced with this package, hidden or not, the oldest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn announced_by_root(
        &self,
        root: &RootCid,
    ) -> Result<Vec<AnnouncedAsset>, CatalogError> {
        let root = digest(&root.cid());
        let rows = sqlx::query_as!(
            AnnouncedRow,
            r#"SELECT announced.id AS "id!", key, name, asset, seq, at, root, title, description, tags,
                 created_at, duration_ms, announced.bytes, renditions, poster, language, copies_min,
                 copies_max, views, hidden
             FROM announced JOIN publishers ON publishers.id = announced.publisher
             WHERE substr(root, 1, 8) = substr(?1, 1, 8) AND root = ?1
             ORDER BY announced.id LIMIT 200"#,
            root
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(AnnouncedRow::into_asset).collect()
    }

    async fn announced_by(
        &self,
        query: &AnnouncedQuery,
        limit: u32,
    ) -> Result<Vec<AnnouncedRow>, CatalogError> {
        let (before, more) = (Cursor::place(query.cursor), limit + 1);
        let Some(publisher) = &query.publisher else {
            return Ok(sqlx::query_as!(
                AnnouncedRow,
                "SELECT announced.id, key, name, asset, seq, at, root, title, description, tags,
                     created_at, duration_ms, announced.bytes, renditions, poster, language,
                     copies_min, copies_max, views, hidden
                 FROM announced CROSS JOIN publishers ON publishers.id = announced.publisher
                 WHERE announced.id < ? AND hidden = 0 ORDER BY announced.id DESC LIMIT ?",
                before,
                more
            )
            .fetch_all(&self.reader)
            .await?);
        };
        let key = publisher.as_bytes().as_slice();
        Ok(sqlx::query_as!(
            AnnouncedRow,
            "SELECT announced.id, key, name, asset, seq, at, root, title, description, tags,
                 created_at, duration_ms, announced.bytes, renditions, poster, language, copies_min,
                 copies_max, views, hidden
             FROM publishers CROSS JOIN announced ON announced.publisher = publishers.id
             WHERE key = ? AND announced.id < ? AND hidden = 0
             ORDER BY announced.id DESC LIMIT ?",
            key,
            before,
            more
        )
        .fetch_all(&self.reader)
        .await?)
    }

    async fn announced_with(
        &self,
        query: &AnnouncedQuery,
        words: &[String],
        limit: u32,
    ) -> Result<Vec<AnnouncedRow>, CatalogError> {
        let whole = search::whole(words);
        let any = sqlx::query_scalar!(
            "SELECT rowid FROM announced_fts WHERE announced_fts MATCH ? LIMIT 1",
            whole
        )
        .fetch_optional(&self.reader)
        .await?;
        match (any, search::begun(words)) {
            (None, Some(begun)) => self.announced_matching(query, &begun, limit).await,
            _ => self.announced_matching(query, &whole, limit).await,
        }
    }

    async fn announced_matching(
        &self,
        query: &AnnouncedQuery,
        expression: &str,
        limit: u32,
    ) -> Result<Vec<AnnouncedRow>, CatalogError> {
        let (before, more) = (Cursor::place(query.cursor), limit + 1);
        let key = query.publisher.as_ref();
        let key = key.map(|key| key.as_bytes().as_slice());
        // CROSS JOIN keeps the order of the tables: FTS5 walks its matches from the newest on and
        // stops when the page is full.
        Ok(sqlx::query_as!(
            AnnouncedRow,
            "SELECT announced.id, key, name, asset, seq, at, root, announced.title,
                 announced.description, announced.tags, created_at, duration_ms, announced.bytes,
                 renditions, poster, language, copies_min, copies_max, views, hidden
             FROM announced_fts CROSS JOIN announced ON announced.id = announced_fts.rowid
                 CROSS JOIN publishers ON publishers.id = announced.publisher
             WHERE announced_fts MATCH ?1 AND announced_fts.rowid < ?2 AND (?3 IS NULL OR key = ?3)
             ORDER BY announced_fts.rowid DESC LIMIT ?4",
            expression,
            before,
            key,
            more
        )
        .fetch_all(&self.reader)
        .await?)
    }
}
