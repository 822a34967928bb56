//! What peers and publishers have earned, and why.
//!
//! The rule is not here: whoever judges passes it in, and it runs inside the transaction. A change
//! is one row and one reason; of each subject the last [`MAX_REASONS`] are kept, and of subjects
//! those that changed last and everybody who is revoked.

use cidcast_types::Timestamp;

use crate::row::{count, integer, millis, time};
use crate::trust::Subject;
use crate::{Catalog, CatalogError};

/// Reasons that are kept for each.
pub const MAX_REASONS: u32 = 16;
/// Peers, and publishers, whose scores are kept; strangers come in any number. Who is forgotten
/// begins anew.
pub const MAX_SCORES: u32 = 20_000;
/// Where everybody begins.
pub const FIRST_SCORE: u16 = 100;

/// What somebody has earned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Score {
    /// Whose.
    pub subject: Subject,
    /// 0 (revoked) to 1000.
    pub score: u16,
    /// How often something good was delivered.
    pub delivered: u64,
    /// How often something bad, or nothing.
    pub failed: u64,
    /// When it was last judged.
    pub changed_at: Timestamp,
    /// Newest first; none in lists.
    pub reasons: Vec<Reason>,
}

/// One change of a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// When.
    pub at: Timestamp,
    /// The score after it.
    pub score: u16,
    /// What was delivered or not.
    pub why: String,
}

/// What a judgement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// The score before.
    pub before: u16,
    /// The score now.
    pub after: u16,
}

impl Judged {
    /// Whether this was the one that revoked it.
    pub fn has_revoked(&self) -> bool {
        self.before > 0 && self.after == 0
    }
}

/// Good or bad, for the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// It delivered.
    Good,
    /// It did not, or something bad.
    Bad,
    /// The operator's own doing.
    Neither,
}

struct ScoreRow {
    kind: String,
    subject: String,
    score: i64,
    delivered: i64,
    failed: i64,
    changed_at: i64,
}

impl ScoreRow {
    fn into_score(self) -> Result<Score, CatalogError> {
        Ok(Score {
            subject: Subject::from_columns("scores.subject", &self.kind, &self.subject)?,
            score: points("scores.score", self.score)?,
            delivered: crate::row::size("scores.delivered", self.delivered)?,
            failed: crate::row::size("scores.failed", self.failed)?,
            changed_at: time("scores.changed_at", self.changed_at)?,
            reasons: Vec::new(),
        })
    }
}

fn points(column: &'static str, value: i64) -> Result<u16, CatalogError> {
    let value = count(column, value)?;
    Ok(u16::try_from(value).unwrap_or(u16::MAX))
}

impl Catalog {
    /// Changes a score by `rule`, which gets the present one. A subject without a row has
    /// [`FIRST_SCORE`].
    ///
    /// # Errors
    /// See [`CatalogError`]; a rule that answers more than 1000 is a [`CatalogError::Database`].
    pub async fn judge(
        &self,
        subject: &Subject,
        conduct: Conduct,
        why: &str,
        now: Timestamp,
        rule: impl FnOnce(u16) -> u16 + Send,
    ) -> Result<Judged, CatalogError> {
        let (kind, key, now) = (subject.kind(), subject.key(), millis(now));
        let mut write = self.write().await?;
        let before = sqlx::query_scalar!(
            "SELECT score FROM scores WHERE kind = ? AND subject = ?",
            kind,
            key
        )
        .fetch_optional(&mut *write)
        .await?;
        let is_new = before.is_none();
        let before = match before {
            Some(score) => points("scores.score", score)?,
            None => FIRST_SCORE,
        };
        let after = rule(before);
        let (good, bad) = match conduct {
            Conduct::Good => (1, 0),
            Conduct::Bad => (0, 1),
            Conduct::Neither => (0, 0),
        };
        sqlx::query!(
            "INSERT INTO scores (kind, subject, score, delivered, failed, changed_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (kind, subject) DO UPDATE SET score = ?3, delivered = delivered + ?4,
                 failed = failed + ?5, changed_at = ?6",
            kind,
            key,
            after,
            good,
            bad,
            now
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!(
            "INSERT INTO score_events (kind, subject, at, score, why) VALUES (?, ?, ?, ?, ?)",
            kind,
            key,
            now,
            after,
            why
        )
        .execute(&mut *write)
        .await?;
        sqlx::query!(
            "DELETE FROM score_events WHERE id IN (SELECT id FROM score_events
                 WHERE kind = ? AND subject = ? ORDER BY id DESC LIMIT -1 OFFSET ?)",
            kind,
            key,
            MAX_REASONS
        )
        .execute(&mut *write)
        .await?;
        if is_new {
            forget_oldest(&mut write, kind).await?;
        }
        write.commit().await?;
        Ok(Judged { before, after })
    }

    /// What somebody has earned, with reasons. Who was never judged has [`FIRST_SCORE`] and none.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn score(&self, subject: &Subject) -> Result<Score, CatalogError> {
        let (kind, key) = (subject.kind(), subject.key());
        let row = sqlx::query_as!(
            ScoreRow,
            "SELECT * FROM scores WHERE kind = ? AND subject = ?",
            kind,
            key
        )
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else {
            return Ok(Score {
                subject: *subject,
                score: FIRST_SCORE,
                delivered: 0,
                failed: 0,
                changed_at: Timestamp::from_millis(0),
                reasons: Vec::new(),
            });
        };
        let reasons = sqlx::query!(
            "SELECT at, score, why FROM score_events WHERE kind = ? AND subject = ?
             ORDER BY id DESC LIMIT ?",
            kind,
            key,
            MAX_REASONS
        )
        .fetch_all(&self.reader)
        .await?;
        let mut score = row.into_score()?;
        score.reasons = reasons
            .into_iter()
            .map(|row| {
                Ok(Reason {
                    at: time("score_events.at", row.at)?,
                    score: points("score_events.score", row.score)?,
                    why: row.why,
                })
            })
            .collect::<Result<_, CatalogError>>()?;
        Ok(score)
    }

    /// Up to `limit` scores, lowest first: who is revoked comes at the beginning.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn scores(&self, limit: u32) -> Result<Vec<Score>, CatalogError> {
        let rows = sqlx::query_as!(
            ScoreRow,
            "SELECT * FROM scores ORDER BY score, changed_at DESC LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(ScoreRow::into_score).collect()
    }
}

/// Forgets whom nothing was heard of for longest, except who is revoked, beyond [`MAX_SCORES`].
/// The revoked are kept up to as many again.
async fn forget_oldest(
    write: &mut sqlx::Transaction<'static, sqlx::Sqlite>,
    kind: &str,
) -> Result<(), sqlx::Error> {
    let most = integer(u64::from(MAX_SCORES));
    for revoked in [0, 1] {
        sqlx::query!(
            "DELETE FROM scores WHERE kind = ?1 AND subject IN (SELECT subject FROM scores
                 WHERE kind = ?1 AND (score = 0) = ?2
                 ORDER BY changed_at DESC LIMIT -1 OFFSET ?3)",
            kind,
            revoked,
            most
        )
        .execute(&mut **write)
        .await?;
    }
    Ok(())
}
