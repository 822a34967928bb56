//! The node's own HTTP client under the object storage's: one set of roots, one way to dial.

use std::time::Duration;

use async_trait::async_trait;
use cidcast_ipfs::http::{HttpClient, HttpError};
use http_body_util::BodyExt as _;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient as ObjectClient, HttpConnector, HttpError as ObjectHttpError, HttpErrorKind,
    HttpRequest, HttpResponse, HttpService,
};

/// A CAR with its block of at most 2 MiB too much, or a page of names.
const LIMIT: usize = 32 << 20;
/// A CAR over a slow line.
const DEADLINE: Duration = Duration::from_secs(600);

/// Hands out the client.
#[derive(Debug)]
pub(super) struct Connector(pub(super) HttpClient);

#[derive(Debug)]
struct Bridge(HttpClient);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<ObjectClient> {
        Ok(ObjectClient::new(Bridge(self.0.clone())))
    }
}

#[async_trait]
impl HttpService for Bridge {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, ObjectHttpError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let request = http::Request::from_parts(head, body);
        let sent = self.0.send(request, LIMIT, DEADLINE).await;
        Ok(sent.map_err(failed)?.map(Into::into))
    }
}

fn failed(error: HttpError) -> ObjectHttpError {
    let kind = match error {
        HttpError::Unreachable { .. } => HttpErrorKind::Connect,
        HttpError::Broken { .. } => HttpErrorKind::Interrupted,
        HttpError::Slow { .. } => HttpErrorKind::Timeout,
        HttpError::Url { .. } | HttpError::TooLarge { .. } | HttpError::Status { .. } => {
            HttpErrorKind::Unknown
        }
    };
    ObjectHttpError::new(kind, error)
}
