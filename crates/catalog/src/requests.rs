//! Pins that others asked for through the pinning service.

use cidcast_types::{Cid, PinRequestId, Timestamp};

use crate::requested::{
    Leaving, MAX_REQUESTED, NameMatch, PinRequest, RequestError, RequestPage, RequestQuery,
    RequestState, Requested,
};
use crate::row::{document, integer, millis, parse, size, time, to_document};
use crate::{Catalog, CatalogError};

/// One row of `psa_pins` as it is shown.
struct RequestRow {
    request: String,
    cid: String,
    name: Option<String>,
    origins: String,
    meta: String,
    created: i64,
    state: String,
    error: Option<String>,
}

impl RequestRow {
    fn into_request(self) -> Result<PinRequest, CatalogError> {
        Ok(PinRequest {
            id: parse("psa_pins.request", &self.request)?,
            wanted: Requested {
                cid: parse("psa_pins.cid", &self.cid)?,
                name: self.name,
                origins: document("psa_pins.origins", &self.origins)?,
                meta: document("psa_pins.meta", &self.meta)?,
            },
            created: time("psa_pins.created", self.created)?,
            state: parse("psa_pins.state", &self.state)?,
            error: self.error,
        })
    }
}

/// A query as the statements take it.
struct Bound {
    cids: Option<String>,
    states: Option<String>,
    /// By [`NameMatch`]: only one of them.
    name: [Option<String>; 4],
    before: Option<i64>,
    after: Option<i64>,
    meta: String,
}

impl Bound {
    fn of(query: &RequestQuery) -> Result<Self, CatalogError> {
        let cids: Vec<String> = query.cids.iter().map(Cid::to_string).collect();
        let states: Vec<&str> = query.states.iter().map(|state| state.as_str()).collect();
        let mut name = [const { None }; 4];
        if let Some((text, kind)) = &query.name {
            let [exact, any_case, part, part_any_case] = &mut name;
            match kind {
                NameMatch::Exact => *exact = Some(text.clone()),
                NameMatch::ExactInAnyCase => *any_case = Some(folded(text)),
                NameMatch::Part => *part = Some(text.clone()),
                NameMatch::PartInAnyCase => *part_any_case = Some(folded(text)),
            }
        }
        let list = |list: &[&str]| match list.is_empty() {
            true => Ok(None),
            false => to_document("psa_pins", &list).map(Some),
        };
        Ok(Self {
            cids: list(&cids.iter().map(String::as_str).collect::<Vec<_>>())?,
            states: list(&states)?,
            name,
            before: query.before.map(millis),
            after: query.after.map(millis),
            meta: to_document("psa_pins.meta", &query.meta)?,
        })
    }
}

impl Catalog {
    /// Takes a request; with `replaced`, that one is given up in the same step: its pin goes when
    /// the new one is complete. `now` is moved on by a millisecond if it is taken.
    ///
    /// # Errors
    /// See [`RequestError`]; nothing has changed.
    pub async fn request_pin(
        &self,
        id: PinRequestId,
        wanted: &Requested,
        replaced: Option<PinRequestId>,
        now: Timestamp,
    ) -> Result<PinRequest, RequestError> {
        let (request, cid) = (id.to_string(), wanted.cid.to_string());
        let name_folded = wanted.name.as_deref().map(folded);
        let origins = to_document("psa_pins.origins", &wanted.origins)?;
        let meta = to_document("psa_pins.meta", &wanted.meta)?;
        let (now, most) = (millis(now), integer(MAX_REQUESTED));
        let mut write = self.write().await?;
        if let Some(old) = replaced {
            let text = old.to_string();
            let done = sqlx::query!(
                "UPDATE psa_pins SET state = 'unpinning', successor = ?
                 WHERE request = ? AND state <> 'unpinning'",
                request,
                text
            );
            if done.execute(&mut *write).await?.rows_affected() == 0 {
                return Err(RequestError::NoSuchRequest(old));
            }
            // What that one was to replace waits for the newest.
            sqlx::query!(
                "UPDATE psa_pins SET successor = ? WHERE successor = ?",
                request,
                text
            )
            .execute(&mut *write)
            .await?;
        }
        let created = sqlx::query_scalar!(
            r#"INSERT INTO psa_pins (request, cid, name, name_folded, origins, meta, created, state)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6,
                   max(?7, (SELECT ifnull(max(created), 0) + 1 FROM psa_pins)), 'queued'
               WHERE (SELECT count(*) FROM psa_pins) < ?8
               RETURNING created AS "created!""#,
            request,
            cid,
            wanted.name,
            name_folded,
            origins,
            meta,
            now,
            most
        )
        .fetch_optional(&mut *write)
        .await?
        .ok_or(RequestError::Full)?;
        write.commit().await?;
        Ok(PinRequest {
            id,
            wanted: wanted.clone(),
            created: time("psa_pins.created", created)?,
            state: RequestState::Queued,
            error: None,
        })
    }

    /// One request, unless it is being given up.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn pin_request(&self, id: PinRequestId) -> Result<Option<PinRequest>, CatalogError> {
        let request = id.to_string();
        let row = sqlx::query_as!(
            RequestRow,
            "SELECT request, cid, name, origins, meta, created, state, error FROM psa_pins
             WHERE request = ? AND state <> 'unpinning'",
            request
        )
        .fetch_optional(&self.reader)
        .await?;
        row.map(RequestRow::into_request).transpose()
    }

    /// Requests, the newest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn pin_requests(&self, query: &RequestQuery) -> Result<RequestPage, CatalogError> {
        let bound = Bound::of(query)?;
        let [exact, any_case, part, part_any_case] = &bound.name;
        let rows = sqlx::query!(
            r#"SELECT request, cid, name, origins, meta, created, state, error,
                   count(*) OVER () AS "total!: i64"
               FROM psa_pins WHERE state <> 'unpinning'
                   AND (?1 IS NULL OR cid IN (SELECT value FROM json_each(?1)))
                   AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))
                   AND (?3 IS NULL OR name = ?3)
                   AND (?4 IS NULL OR name_folded = ?4)
                   AND (?5 IS NULL OR instr(name, ?5) > 0)
                   AND (?6 IS NULL OR instr(name_folded, ?6) > 0)
                   AND (?7 IS NULL OR created < ?7)
                   AND (?8 IS NULL OR created > ?8)
                   AND NOT EXISTS (SELECT 1 FROM json_each(?9) AS wanted WHERE NOT EXISTS (
                       SELECT 1 FROM json_each(psa_pins.meta) AS has
                       WHERE has.key = wanted.key AND has.value = wanted.value))
               ORDER BY created DESC LIMIT ?10"#,
            bound.cids,
            bound.states,
            exact,
            any_case,
            part,
            part_any_case,
            bound.before,
            bound.after,
            bound.meta,
            query.limit
        )
        .fetch_all(&self.reader)
        .await?;
        let total = rows.first().map_or(0, |row| row.total);
        let items = rows.into_iter().map(|row| {
            RequestRow {
                request: row.request,
                cid: row.cid,
                name: row.name,
                origins: row.origins,
                meta: row.meta,
                created: row.created,
                state: row.state,
                error: row.error,
            }
            .into_request()
        });
        Ok(RequestPage {
            total: size("psa_pins", total)?,
            items: items.collect::<Result<_, _>>()?,
        })
    }

    /// Every request that is neither pinned nor given up: at most `limit`, the oldest first.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn unsettled_pin_requests(
        &self,
        limit: u32,
    ) -> Result<Vec<PinRequest>, CatalogError> {
        let rows = sqlx::query_as!(
            RequestRow,
            "SELECT request, cid, name, origins, meta, created, state, error FROM psa_pins
             WHERE state <> 'pinned' AND state <> 'unpinning' ORDER BY id LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter().map(RequestRow::into_request).collect()
    }

    /// Saves where requests stand, all in one step. One that is given up is left alone.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn settle_pin_requests(
        &self,
        all: &[(PinRequestId, RequestState, Option<String>)],
    ) -> Result<(), CatalogError> {
        let mut write = self.write().await?;
        for (id, state, error) in all {
            let (request, state) = (id.to_string(), state.as_str());
            sqlx::query!(
                "UPDATE psa_pins SET state = ?, error = ?
                 WHERE request = ? AND state <> 'unpinning'",
                state,
                error,
                request
            )
            .execute(&mut *write)
            .await?;
        }
        Ok(write.commit().await?)
    }

    /// Marks a request as being given up; answers whether there was one.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn give_up_pin_request(&self, id: PinRequestId) -> Result<bool, CatalogError> {
        let request = id.to_string();
        let mut write = self.write().await?;
        let done = sqlx::query!(
            "UPDATE psa_pins SET state = 'unpinning', successor = NULL
             WHERE request = ? AND state <> 'unpinning'",
            request
        )
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Requests whose pins may go now: nothing that is still on its way replaces them.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn leaving_pin_requests(&self, limit: u32) -> Result<Vec<Leaving>, CatalogError> {
        let rows = sqlx::query!(
            "SELECT request, cid FROM psa_pins AS old
             WHERE state = 'unpinning' AND NOT EXISTS (
                 SELECT 1 FROM psa_pins AS new WHERE new.request = old.successor
                     AND new.state NOT IN ('pinned', 'unpinning'))
             ORDER BY id LIMIT ?",
            limit
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Leaving {
                    id: parse("psa_pins.request", &row.request)?,
                    cid: parse("psa_pins.cid", &row.cid)?,
                })
            })
            .collect()
    }

    /// Removes the row of a request whose pin is gone.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn forget_pin_request(&self, id: PinRequestId) -> Result<(), CatalogError> {
        let request = id.to_string();
        let mut write = self.write().await?;
        sqlx::query!(
            "DELETE FROM psa_pins WHERE request = ? AND state = 'unpinning'",
            request
        )
        .execute(&mut *write)
        .await?;
        Ok(write.commit().await?)
    }

    /// How many requests there are in each state.
    ///
    /// # Errors
    /// See [`CatalogError`].
    pub async fn pin_request_counts(&self) -> Result<Vec<(RequestState, u64)>, CatalogError> {
        let rows = sqlx::query!(
            r#"SELECT state, count(*) AS "many!: i64" FROM psa_pins
               WHERE state <> 'unpinning' GROUP BY state"#
        )
        .fetch_all(&self.reader)
        .await?;
        rows.into_iter()
            .map(|row| {
                let state = parse("psa_pins.state", &row.state)?;
                Ok((state, size("psa_pins", row.many)?))
            })
            .collect()
    }
}

fn folded(name: &str) -> String {
    name.to_lowercase()
}
