//! What this node wants the cluster to keep for its own assets.
//!
//! A row says what was put into the pinset for an asset. What the assets say now and the rows do not
//! is to be put there; a row whose asset is gone is to be taken out.

use cidcast_types::{AssetId, RootCid};

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

/// A ready asset, for the pinset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Which asset.
    pub asset: AssetId,
    /// Its package.
    pub root: RootCid,
    /// What it is called.
    pub title: String,
    /// Who may have it.
    pub audience: WishAudience,
}

impl Catalog {
    /// Ready assets that the pinset does not have as they are now, at most `limit`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn new_wishes(&self, limit: u32) -> Result<Vec<Wish>, CatalogError> {
        let rows = sqlx::query!(
            r#"SELECT a.id AS "id!", a.root AS "root!", a.title,
                 CASE a.visibility WHEN 'private' THEN 'members' ELSE 'anyone' END
                     AS "audience!: String"
             FROM assets a LEFT JOIN cluster_wishes w ON w.asset = a.id
             WHERE a.state = 'ready' AND a.root IS NOT NULL AND (w.asset IS NULL
                 OR w.root <> a.root OR w.title <> a.title
                 OR (w.audience = 'members') <> (a.visibility = 'private'))
             ORDER BY a.seq LIMIT ?"#,
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Wish {
                    asset: parse("assets.id", &row.id)?,
                    root: parse("assets.root", &row.root)?,
                    title: row.title,
                    audience: parse("assets.visibility", &row.audience)?,
                })
            })
            .collect()
    }

    /// Wishes that were put into the pinset and whose asset is gone, or has another package now; at
    /// most `limit`.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn old_wishes(&self, limit: u32) -> Result<Vec<Wish>, CatalogError> {
        let rows = sqlx::query!(
            "SELECT w.asset, w.root, w.title, w.audience FROM cluster_wishes w
             LEFT JOIN assets a ON a.id = w.asset
             WHERE a.id IS NULL OR (a.root IS NOT NULL AND a.root <> w.root) LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Wish {
                    asset: parse("cluster_wishes.asset", &row.asset)?,
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
            let (asset, root) = (wish.asset.to_string(), wish.root.to_string());
            let audience = wish.audience.as_str();
            sqlx::query!(
                "INSERT INTO cluster_wishes (asset, root, title, audience) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (asset) DO UPDATE SET root = ?2, title = ?3, audience = ?4",
                asset,
                root,
                wish.title,
                audience
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Forgets a wish; whether no other asset wishes for the same root.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forget_wish(&self, asset: AssetId, root: &RootCid) -> Result<bool, CatalogError> {
        let (asset, root) = (asset.to_string(), root.to_string());
        let mut write = self.write().await?;
        sqlx::query!("DELETE FROM cluster_wishes WHERE asset = ?", asset)
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
