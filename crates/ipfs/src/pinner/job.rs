//! A pin that is not complete, and how it stands in its row.

use cid::Cid;
use cidcast_store::{Audience, Holder, Partial};
use cidcast_types::Timestamp;
use serde::{Deserialize, Serialize};

use super::Key;

/// One pin to be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) holder: Holder,
    pub(super) root: Cid,
    pub(super) audience: Audience,
    /// When it was asked for.
    pub(super) since: Timestamp,
    pub(super) failure: Option<Failure>,
}

/// How it went wrong, so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Failure {
    pub(super) message: String,
    pub(super) retry_at: Timestamp,
    times: u32,
}

/// The words of a row. Others keep partial DAGs too; their rows have other words.
#[derive(Serialize, Deserialize)]
struct Note {
    pin: Audienced,
    since: Timestamp,
    #[serde(default)]
    failure: Option<Failure>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Audienced {
    Writers,
    Members,
    Anyone,
}

impl Job {
    pub(super) fn new(holder: Holder, root: Cid, audience: Audience, since: Timestamp) -> Self {
        Self {
            holder,
            root,
            audience,
            since,
            failure: None,
        }
    }

    /// The job of a row; `None` if it is no pin's.
    pub(super) fn of(row: &Partial) -> Option<Self> {
        let note: Note = serde_json::from_str(&row.note).ok()?;
        Some(Self {
            holder: row.holder.clone(),
            root: row.root,
            audience: match note.pin {
                Audienced::Writers => Audience::Writers,
                Audienced::Members => Audience::Members,
                Audienced::Anyone => Audience::Anyone,
            },
            since: note.since,
            failure: note.failure,
        })
    }

    pub(super) fn row(&self, until: Timestamp) -> Partial {
        let note = Note {
            pin: match self.audience {
                Audience::Writers => Audienced::Writers,
                Audience::Members => Audienced::Members,
                Audience::Anyone => Audienced::Anyone,
            },
            since: self.since,
            failure: self.failure.clone(),
        };
        Partial {
            holder: self.holder.clone(),
            root: self.root,
            until,
            note: serde_json::to_string(&note).unwrap_or_default(),
        }
    }

    pub(super) fn key(&self) -> Key {
        (self.holder.clone(), self.root)
    }

    /// When it is to be tried next.
    pub(super) fn due_at(&self) -> Timestamp {
        match &self.failure {
            Some(failure) => failure.retry_at,
            None => self.since,
        }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failure.as_ref().map_or(0, |failure| failure.times)
    }

    pub(super) fn fail(&mut self, message: String, retry_at: Timestamp) {
        self.failure = Some(Failure {
            message,
            retry_at,
            times: self.failures() + 1,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_read_back_from_its_row_and_other_rows_are_left_alone() {
        let root = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
        let now = Timestamp::from_millis(7);
        let holder: Holder = "me".parse().unwrap();
        let mut job = Job::new(holder, root.parse().unwrap(), Audience::Anyone, now);
        assert_eq!(job.due_at(), now);
        job.fail("nobody".to_owned(), Timestamp::from_millis(9));
        job.fail("nobody".to_owned(), Timestamp::from_millis(20));
        let mut row = job.row(Timestamp::from_millis(30));
        let read = Job::of(&row).unwrap();
        assert_eq!(read, job);
        assert_eq!((read.failures(), read.due_at().as_millis()), (2, 20));
        row.note = "a visit".to_owned();
        assert_eq!(Job::of(&row), None);
    }
}
