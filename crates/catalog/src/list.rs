//! Lists of assets, page by page.
//!
//! Newest first, with or without a search: a rank would shift whenever an asset is added, and a
//! page would then repeat or hide rows. Arrival order is unique and only grows, and FTS5 walks
//! its index in that order by itself, so a page costs the same at any depth.

use std::fmt;
use std::str::FromStr;

use cidcast_types::{AssetState, Visibility};
use data_encoding::BASE64URL_NOPAD;

use crate::asset::Asset;
use crate::row::AssetRow;
use crate::{Catalog, CatalogError, search};

/// A page never has more assets than this, whatever was asked for.
pub const MAX_PAGE: u32 = 200;

/// Which assets to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListQuery {
    /// Words to find in title, description and tags; the last may be unfinished. Text without a
    /// letter or digit finds everything.
    pub search: Option<String>,
    /// Only those in this state.
    pub state: Option<AssetState>,
    /// Only those with this visibility.
    pub visibility: Option<Visibility>,
    /// Where the last page ended ([`Page::next`]); `None` for the first page.
    pub cursor: Option<Cursor>,
    /// How many at most: 1 to [`MAX_PAGE`].
    pub limit: u32,
}

impl Default for ListQuery {
    /// The first page of everything.
    fn default() -> Self {
        Self {
            search: None,
            state: None,
            visibility: None,
            cursor: None,
            limit: 50,
        }
    }
}

/// Every ready asset, a page at a time.
#[derive(Debug)]
pub struct ReadyAssets<'a> {
    catalog: &'a Catalog,
    /// `None`: the last page was given.
    next: Option<ListQuery>,
}

impl Catalog {
    /// Every ready asset, the newest first.
    pub fn ready_assets(&self) -> ReadyAssets<'_> {
        let query = ListQuery {
            state: Some(AssetState::Ready),
            limit: MAX_PAGE,
            ..ListQuery::default()
        };
        ReadyAssets {
            catalog: self,
            next: Some(query),
        }
    }
}

impl ReadyAssets<'_> {
    /// The next of them; `None`: that was all.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn next_page(&mut self) -> Result<Option<Vec<Asset>>, CatalogError> {
        let Some(query) = self.next.take() else {
            return Ok(None);
        };
        let page = self.catalog.list(&query).await?;
        self.next = page.next.map(|cursor| ListQuery {
            cursor: Some(cursor),
            ..query
        });
        Ok(Some(page.items))
    }
}

/// Some items, and where the next ones begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Where the next page begins; `None` if this was the last one.
    pub next: Option<Cursor>,
}

/// A place in a list. Its text is opaque to clients and may change between versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Everything that arrived before this comes after the cursor.
    before: i64,
}

impl Cursor {
    /// Everything with a smaller number comes after the cursor.
    pub(crate) fn place(cursor: Option<Self>) -> i64 {
        cursor.map_or(i64::MAX, |cursor| cursor.before)
    }
}

impl<T> Page<T> {
    /// A page of at most `limit` of the rows; one more than that shows that there is a next page.
    pub(crate) fn cut<R>(
        mut rows: Vec<R>,
        limit: u32,
        number: impl Fn(&R) -> i64,
        read: impl Fn(R) -> Result<T, CatalogError>,
    ) -> Result<Self, CatalogError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let last = rows.last().map(number);
        let next = last.filter(|_| more).map(|before| Cursor { before });
        let items = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { items, next })
    }
}

/// Not a cursor that a list of this version has given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cursor: pass the `next` of the page before, or none for the first page")]
pub struct ParseCursorError(String);

/// Marks the form of the text, so that another one can be told apart later.
const FORM: u8 = b'1';

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [FORM; 9];
        for (to, from) in bytes.iter_mut().skip(1).zip(self.before.to_be_bytes()) {
            *to = from;
        }
        f.write_str(&BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || ParseCursorError(text.chars().take(64).collect());
        let bytes = BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| refused())?;
        match bytes.split_first() {
            Some((&FORM, rest)) => {
                let before = i64::from_be_bytes(rest.try_into().map_err(|_| refused())?);
                if before > 0 {
                    Ok(Self { before })
                } else {
                    Err(refused())
                }
            }
            _ => Err(refused()),
        }
    }
}

impl Catalog {
    /// One page of the assets that `query` asks for, newest first.
    ///
    /// # Errors
    /// See [`CatalogError`]. No text of a user makes the search fail.
    pub async fn list(&self, query: &ListQuery) -> Result<Page<Asset>, CatalogError> {
        let limit = query.limit.clamp(1, MAX_PAGE);
        // One more than asked for shows whether there is a next page.
        let rows = match query.search.as_deref().and_then(search::expression) {
            Some(words) => self.found(query, &words, limit + 1).await?,
            None => self.listed(query, limit + 1).await?,
        };
        Page::cut(rows, limit, |row| row.seq, AssetRow::into_asset)
    }

    async fn listed(&self, query: &ListQuery, limit: u32) -> Result<Vec<AssetRow>, sqlx::Error> {
        let before = Cursor::place(query.cursor);
        let state = query.state.map(AssetState::as_str);
        let visibility = query.visibility.map(Visibility::as_str);
        sqlx::query_as!(
            AssetRow,
            "SELECT * FROM assets
             WHERE seq < ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR visibility = ?3)
             ORDER BY seq DESC LIMIT ?4",
            before,
            state,
            visibility,
            limit
        )
        .fetch_all(&self.reader)
        .await
    }

    async fn found(
        &self,
        query: &ListQuery,
        words: &str,
        limit: u32,
    ) -> Result<Vec<AssetRow>, sqlx::Error> {
        let before = Cursor::place(query.cursor);
        let state = query.state.map(AssetState::as_str);
        let visibility = query.visibility.map(Visibility::as_str);
        // CROSS JOIN keeps the order of the tables: FTS5 walks its matches from the newest on
        // and stops when the page is full.
        sqlx::query_as!(
            AssetRow,
            "SELECT assets.* FROM assets_fts CROSS JOIN assets ON assets.seq = assets_fts.rowid
             WHERE assets_fts MATCH ?1 AND assets_fts.rowid < ?2
               AND (?3 IS NULL OR assets.state = ?3)
               AND (?4 IS NULL OR assets.visibility = ?4)
             ORDER BY assets_fts.rowid DESC LIMIT ?5",
            words,
            before,
            state,
            visibility,
            limit
        )
        .fetch_all(&self.reader)
        .await
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_reads_back_what_it_prints(before in 1..=i64::MAX) {
            let cursor = Cursor { before };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn other_text_is_refused(text in ".{0,32}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string(), text);
            }
        }
    }
}
