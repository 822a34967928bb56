//! Trustless HTTP gateways: `GET /ipfs/{cid}?format=raw` (Trustless Gateway specification, §2).
//!
//! A gateway gives the bytes of one block; the session checks them, so that it can refuse to serve
//! but not lie. Gateways are asked in their order; the next one also when the one before is slow.

use std::time::Duration;

use cid::Cid;
use cidcast_exchange::{Session, SupplyError};
use cidcast_store::{MAX_BLOCK_BYTES, PutError};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::StatusCode;

use super::Sources;
use super::hunt::Found;
use super::standing::Conduct;
use crate::http::Question;

/// What the specification asks for.
const ACCEPT: &str = "application/vnd.ipld.raw";
/// The largest block at 100 KB/s.
const DEADLINE: Duration = Duration::from_secs(20);
/// After this the next gateway is asked too.
const HEAD_START: Duration = Duration::from_secs(4);

impl Sources {
    /// Gets one block from the first gateway that gives it.
    pub(super) async fn ask_gateways(&self, session: &Session, cid: Cid) -> Found {
        let gateways = &self.services.gateways;
        let mut waiting = gateways.iter().filter(|gateway| self.is_open(gateway));
        let mut asked = FuturesUnordered::new();
        loop {
            match waiting.next() {
                Some(gateway) => asked.push(self.ask_gateway(session, gateway, cid)),
                None if asked.is_empty() => return Found::Nothing,
                None => {}
            }
            let patience = tokio::time::sleep(HEAD_START);
            tokio::select! {
                Some(found) = asked.next() => if found == Found::Block {
                    return Found::Block;
                },
                () = patience => {}
            }
        }
    }

    async fn ask_gateway(&self, session: &Session, gateway: &str, cid: Cid) -> Found {
        let question = Question {
            url: &format!("{}/ipfs/{cid}?format=raw", gateway.trim_end_matches('/')),
            accept: ACCEPT,
            limit: MAX_BLOCK_BYTES,
            deadline: DEADLINE,
        };
        let (found, conduct) = match self.http.get(question).await {
            Ok(answer) if answer.status == StatusCode::OK => {
                match session.supply(&cid, answer.body).await {
                    Ok(()) => (Found::Block, Conduct::Answered),
                    Err(error) => (Found::Nothing, refused(gateway, &cid, &error)),
                }
            }
            // It does not have the block, or may not give it: an answer like any other.
            Ok(answer) if answer.status.is_client_error() && !is_overload(answer.status) => {
                (Found::Nothing, Conduct::Answered)
            }
            // Behind a gateway, too, content can be too slow to find.
            Ok(answer) if answer.status == StatusCode::GATEWAY_TIMEOUT => {
                (Found::Nothing, Conduct::Answered)
            }
            Ok(answer) => {
                tracing::warn!(gateway, status = %answer.status, "an HTTP gateway refused");
                (Found::Nothing, Conduct::Failed)
            }
            Err(error) => {
                tracing::warn!(gateway, %error, "an HTTP gateway failed");
                (Found::Nothing, Conduct::Failed)
            }
        };
        self.note(gateway, conduct);
        found
    }
}

fn is_overload(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
}

/// How a gateway behaved whose block was not taken.
fn refused(gateway: &str, cid: &Cid, error: &SupplyError) -> Conduct {
    match error {
        SupplyError::Store(error) if matches!(**error, PutError::Mismatch { .. }) => {
            tracing::warn!(gateway, %cid, "an HTTP gateway sent wrong bytes");
            Conduct::Lied
        }
        _ => {
            tracing::warn!(gateway, %cid, %error, "a block could not be stored");
            Conduct::Answered
        }
    }
}
