//! What this node wants the cluster to keep: for its own assets, and for pins that others asked for.
//!
//! A row says what was put into the pinset for one of them. What they say now and the rows do not
//! is to be put there; a row whose asset or request is gone is to be taken out.

use std::fmt;
use std::str::FromStr;

use cidcast_types::{AssetId, Cid, ParseIdError, PinRequestId};

use crate::row::parse;
use crate::spelled::spelled;
use crate::{Catalog, CatalogError};

spelled! {
    /// Who may have the blocks of an asset's package.
    pub enum WishAudience as "members or anyone" {
        /// Members of the cluster: the asset is private.
        Members = "members",
        /// Anyone.
        Anyone = "anyone",
    }
}

/// For what a root is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wisher {
    /// An own asset.
    Asset(AssetId),
    /// A request of the pinning service.
    Request(PinRequestId),
}

/// Before the id of a request.
const REQUEST: &str = "psa/";

impl fmt::Display for Wisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asset(asset) => write!(f, "{asset}"),
            Self::Request(request) => write!(f, "{REQUEST}{request}"),
        }
    }
}

impl FromStr for Wisher {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix(REQUEST) {
            Some(request) => request.parse().map(Self::Request),
            None => text.parse().map(Self::Asset),
        }
    }
}

/// A ready asset or a complete request, for the pinset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Which.
    pub wisher: Wisher,
    /// Its root.
    pub root: Cid,
    /// What it is called.
    pub title: String,
    /// Who may have it.
    pub audience: WishAudience,
}

impl Catalog {
    /// Ready assets and complete requests that the pinset does not have as they are now, at most
    /// `limit`. What is for writers is for nobody else, and not for the pinset.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn new_wishes(&self, limit: u32) -> Result<Vec<Wish>, CatalogError> {
        let rows = sqlx::query!(
            r#"WITH wanted (wisher, root, title, audience) AS (
                 SELECT id, root, title,
                     CASE visibility WHEN 'private' THEN 'members' ELSE 'anyone' END
                 FROM assets WHERE state = 'ready' AND root IS NOT NULL
                 UNION ALL
                 SELECT 'psa/' || request, cid, ifnull(name, ''),
                     ifnull(json_extract(meta, '$."cidcast-audience"'), 'anyone')
                 FROM psa_pins WHERE state = 'pinned')
             SELECT n.wisher AS "wisher!: String", n.root AS "root!: String",
                 n.title AS "title!: String", n.audience AS "audience!: String"
             FROM wanted n LEFT JOIN cluster_wishes w ON w.wisher = n.wisher
             WHERE n.audience <> 'writers' AND (w.wisher IS NULL OR w.root <> n.root
                 OR w.title <> n.title OR w.audience <> n.audience)
             ORDER BY n.wisher LIMIT ?"#,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Wish {
                    wisher: parse("assets.id", &row.wisher)?,
                    root: parse("assets.root", &row.root)?,
                    title: row.title,
                    audience: parse("psa_pins.meta", &row.audience)?,
                })
            })
            .collect()
    }

    /// Wishes that were put into the pinset and whose asset or request is gone, or has another root
    /// now; at most `limit`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn old_wishes(&self, limit: u32) -> Result<Vec<Wish>, CatalogError> {
        let rows = sqlx::query!(
            "SELECT w.wisher, w.root, w.title, w.audience FROM cluster_wishes w
             LEFT JOIN assets a ON a.id = w.wisher
             LEFT JOIN psa_pins p ON w.wisher LIKE 'psa/%' AND p.request = substr(w.wisher, 5)
             WHERE (a.id IS NULL AND p.id IS NULL)
                 OR (a.root IS NOT NULL AND a.root <> w.root) LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Wish {
                    wisher: parse("cluster_wishes.wisher", &row.wisher)?,
                    root: parse("cluster_wishes.root", &row.root)?,
                    title: row.title,
                    audience: parse("cluster_wishes.audience", &row.audience)?,
                })
            })
            .collect()
    }

    /// Notes that wishes are in the pinset.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn note_wishes(&self, wishes: &[Wish]) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        for wish in wishes {
            let (wisher, root) = (wish.wisher.to_string(), wish.root.to_string());
            let audience = wish.audience.as_str();
            sqlx::query!(
                "INSERT INTO cluster_wishes (wisher, root, title, audience) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (wisher) DO UPDATE SET root = ?2, title = ?3, audience = ?4",
                wisher,
                root,
                wish.title,
                audience
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Forgets a wish; whether nothing else wishes for the same root.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forget_wish(&self, wisher: &Wisher, root: &Cid) -> Result<bool, CatalogError> {
        let (wisher, root) = (wisher.to_string(), root.to_string());
        let mut write = self.write().await?;
        sqlx::query!("DELETE FROM cluster_wishes WHERE wisher = ?", wisher)
            .execute(&mut *write)
            .await?;
        let others = sqlx::query_scalar!(
            r#"SELECT COUNT(*) AS "count!: i64" FROM cluster_wishes WHERE root = ?"#,
            root
        )
        .fetch_one(&mut *write)
        .await?;
        write.commit().await?;
        Ok(others == 0)
    }
}
