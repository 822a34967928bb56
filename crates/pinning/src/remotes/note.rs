//! What follows from what a service said: a pure decision.

use std::time::Duration;

use cidcast_catalog::{RemoteNote, RemotePin};
use cidcast_runtime::Backoff;
use cidcast_types::{PinState, Timestamp};

use super::service::{Said, There};

/// A service that is down for a day is asked again when it is back; one that refuses for longer
/// needs a person, and `cidcast pin add --remote` begins anew.
const RETRY: Backoff = Backoff {
    first: Duration::from_secs(10),
    factor: 3,
    ceiling: Duration::from_secs(3600),
    attempts: 30,
};
/// A pin on its way is looked at soon, then less and less often.
const SOONEST: Duration = Duration::from_secs(2);
/// Pins that take days are seen to be complete within this.
const LATEST: Duration = Duration::from_secs(600);
/// Whether a service still has what it had: a replica that counts is one that was seen lately.
const AGAIN: Duration = Duration::from_secs(6 * 3600);

/// What is noted when a service has said where a pin stands. `asked` says whether the pin was asked
/// for in this call.
pub(super) fn heard(pin: &RemotePin, said: Said, now: Timestamp) -> RemoteNote {
    let was_queued = matches!(pin.state, PinState::Queued | PinState::Error);
    let since = if was_queued { now } else { pin.since };
    let note = RemoteNote {
        state: PinState::Pinning,
        request: said.request.clone(),
        error: None,
        failures: 0,
        since,
        next_at: None,
    };
    match said.state {
        There::Pinned => RemoteNote {
            state: PinState::Pinned,
            next_at: Some(now.after(AGAIN)),
            ..note
        },
        There::OnItsWay => RemoteNote {
            // An earlier failure counts until the pin is complete.
            failures: pin.failures,
            next_at: Some(now.after(patience(since, now))),
            ..note
        },
        There::Failed(why) => failed(pin, why, said.request, now),
        There::Unknown => failed(
            pin,
            "the service does not know this pin any more".to_owned(),
            None,
            now,
        ),
    }
}

/// What is noted when a service could not be asked, or refuses.
pub(super) fn unheard(pin: &RemotePin, why: String, now: Timestamp) -> RemoteNote {
    failed(pin, why, pin.request.clone(), now)
}

fn failed(pin: &RemotePin, why: String, request: Option<String>, now: Timestamp) -> RemoteNote {
    let failures = pin.failures + 1;
    let state = match pin.state {
        PinState::Unpinning => PinState::Unpinning,
        _ => PinState::Error,
    };
    RemoteNote {
        state,
        request,
        error: Some(why),
        failures,
        since: pin.since,
        next_at: RETRY.delay(failures).map(|wait| now.after(wait)),
    }
}

/// A quarter of the time that it has taken so far.
fn patience(since: Timestamp, now: Timestamp) -> Duration {
    let taken = Duration::from_millis(now.as_millis().saturating_sub(since.as_millis()));
    (taken / 4).clamp(SOONEST, LATEST)
}

#[cfg(test)]
mod tests {
    use cidcast_catalog::RemoteAudience;

    use super::*;

    fn pin(state: PinState, failures: u32) -> RemotePin {
        RemotePin {
            id: 1,
            service: "s".to_owned(),
            cid: "bafkqaaa".parse().unwrap(),
            name: String::new(),
            audience: RemoteAudience::Anyone,
            asset: None,
            state,
            request: Some("r".to_owned()),
            error: None,
            failures,
            since: Timestamp::from_millis(0),
            next_at: None,
        }
    }

    fn said(state: There) -> Said {
        Said {
            state,
            request: Some("r".to_owned()),
            delegates: Vec::new(),
        }
    }

    #[test]
    fn the_longer_it_takes_the_less_often_it_is_looked_at() {
        let at = |millis| {
            let now = Timestamp::from_millis(millis);
            let note = heard(&pin(PinState::Pinning, 0), said(There::OnItsWay), now);
            note.next_at.unwrap().as_millis() - millis
        };
        assert_eq!((at(1), at(40_000), at(1 << 40)), (2_000, 10_000, 600_000));
    }

    #[test]
    fn failures_wait_longer_and_longer_and_end_some_day() {
        let now = Timestamp::from_millis(0);
        let wait = |failures| {
            let note = unheard(&pin(PinState::Pinned, failures), "down".to_owned(), now);
            assert_eq!(note.state, PinState::Error);
            assert_eq!(note.request.as_deref(), Some("r"));
            note.next_at.map(|at| at.as_millis() / 1000)
        };
        assert_eq!(
            (wait(0), wait(1), wait(9)),
            (Some(10), Some(30), Some(3600))
        );
        assert_eq!(wait(30), None);
    }

    #[test]
    fn what_the_service_lost_is_asked_for_anew_and_what_is_given_up_stays_so() {
        let now = Timestamp::from_millis(5);
        let note = heard(&pin(PinState::Pinned, 0), said(There::Unknown), now);
        assert_eq!((note.state, note.request), (PinState::Error, None));
        let note = unheard(&pin(PinState::Unpinning, 0), "down".to_owned(), now);
        assert_eq!(note.state, PinState::Unpinning);
    }
}
