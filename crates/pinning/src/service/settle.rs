//! Where a request stands, from its row, its job and its pin: a pure decision.

use cidcast_catalog::{PinRequest, RequestState};
use cidcast_ipfs::pinner::{PinJob, PinJobState};

use super::TRIES;

/// What is known of the pin of a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found<'a> {
    /// It is on its way.
    Job(&'a PinJob),
    /// Every block is here.
    Pin,
    /// Nobody works on it.
    Nothing,
}

/// What follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The row says what is true.
    Nothing,
    /// It is to be pinned.
    Pin,
    /// The row has to say so.
    Say(RequestState, Option<String>),
    /// Too many attempts: no more are made, and the row has to say so.
    GiveUp(Option<String>),
}

/// What to do about one request.
pub(super) fn step(request: &PinRequest, found: Found<'_>) -> Step {
    let say = |state: RequestState, error: Option<String>| match request.state == state
        && request.error == error
    {
        true => Step::Nothing,
        false => Step::Say(state, error),
    };
    match found {
        Found::Pin => say(RequestState::Pinned, None),
        Found::Nothing if request.state == RequestState::Failed => Step::Nothing,
        Found::Nothing => Step::Pin,
        Found::Job(job) => match &job.state {
            PinJobState::Error { message, .. } if job.failures >= TRIES => {
                Step::GiveUp(Some(message.clone()))
            }
            PinJobState::Error { message, .. } => say(RequestState::Pinning, Some(message.clone())),
            PinJobState::Pinning(_) => say(RequestState::Pinning, request.error.clone()),
            PinJobState::Queued => say(RequestState::Queued, None),
        },
    }
}

#[cfg(test)]
mod tests {
    use cidcast_catalog::Requested;
    use cidcast_store::Audience;
    use cidcast_types::{PinRequestId, Timestamp};

    use super::*;

    const CID: &str = "bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";

    fn request(state: RequestState, error: Option<&str>) -> PinRequest {
        PinRequest {
            id: PinRequestId::from_parts(Timestamp::from_millis(1), 1),
            wanted: Requested {
                cid: CID.parse().unwrap(),
                name: None,
                origins: Vec::new(),
                meta: Default::default(),
            },
            created: Timestamp::from_millis(1),
            state,
            error: error.map(str::to_owned),
        }
    }

    fn job(failures: u32, state: PinJobState) -> PinJob {
        PinJob {
            holder: "psa/x".parse().unwrap(),
            root: CID.parse().unwrap(),
            audience: Audience::Anyone,
            failures,
            state,
        }
    }

    fn nobody() -> PinJobState {
        PinJobState::Error {
            message: "nobody".to_owned(),
            retry_at: Timestamp::from_millis(9),
        }
    }

    #[test]
    fn a_request_that_nobody_works_on_is_pinned_unless_it_has_failed() {
        use RequestState as S;
        for state in [S::Queued, S::Pinning] {
            assert_eq!(step(&request(state, None), Found::Nothing), Step::Pin);
        }
        assert_eq!(
            step(&request(S::Failed, Some("nobody")), Found::Nothing),
            Step::Nothing
        );
    }

    #[test]
    fn an_attempt_that_failed_is_pinning_until_there_were_enough() {
        let waiting = request(RequestState::Queued, None);
        let said = Some("nobody".to_owned());
        let early = job(TRIES - 1, nobody());
        assert_eq!(
            step(&waiting, Found::Job(&early)),
            Step::Say(RequestState::Pinning, said.clone())
        );
        let late = job(TRIES, nobody());
        assert_eq!(step(&waiting, Found::Job(&late)), Step::GiveUp(said));
    }

    #[test]
    fn what_is_so_already_is_not_said_again() {
        let pinning = request(RequestState::Pinning, Some("nobody"));
        let running = job(1, PinJobState::Pinning(Default::default()));
        assert_eq!(step(&pinning, Found::Job(&running)), Step::Nothing);
        assert_eq!(
            step(&pinning, Found::Pin),
            Step::Say(RequestState::Pinned, None)
        );
    }
}
