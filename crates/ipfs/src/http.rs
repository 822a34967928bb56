//! Asking services that the settings name, by HTTP.
//!
//! One request at a time, with a bound on the answer and a deadline over all of it. Redirects are not
//! followed: they lead to hosts that nobody named. Names are looked up by the operating system,
//! certificates are checked against Mozilla's roots and those of a file that the settings name.

mod roots;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

pub use http::{Method, StatusCode};
pub use roots::{CaFileError, check_ca_file};

/// How this node names itself to services.
const AGENT: &str = concat!("cidcast/", env!("CARGO_PKG_VERSION"));

/// The media type of APIs.
const JSON: &str = "application/json";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be asked.
    #[error("{url} is not a URL that can be asked; write it like https://router.example.org")]
    Url {
        /// What was to be asked.
        url: String,
    },
    /// Nobody answers there.
    #[error("{host} does not answer; check the address and the network")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What the connection says.
        source: hyper_util::client::legacy::Error,
    },
    /// The answer broke off.
    #[error("the answer of {host} broke off; ask again")]
    Broken {
        /// Who was asked.
        host: String,
        /// What the connection says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The answer is longer than anything that was asked for.
    #[error("the answer of {host} has more than {limit} bytes; ask another service")]
    TooLarge {
        /// Who was asked.
        host: String,
        /// The bound.
        limit: usize,
    },
    /// The answer was not complete in time.
    #[error("{host} did not answer within {deadline:?}; ask again later")]
    Slow {
        /// Who was asked.
        host: String,
        /// The deadline.
        deadline: Duration,
    },
    /// An answer, and not the one that was asked for.
    #[error("{host} answers {status}; check the address")]
    Status {
        /// Who was asked.
        host: String,
        /// What it said.
        status: StatusCode,
    },
}

/// Why HTTPS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The settings name a file that is none of certificates.
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    /// The TLS library refuses its own defaults.
    #[error("HTTPS cannot be used; this build is broken, install another")]
    Library(#[from] rustls::Error),
}

/// What a service said.
#[derive(Debug)]
pub struct Answer {
    /// Whether it did what it was asked.
    pub status: StatusCode,
    /// Without parameters, in lower case.
    pub media_type: String,
    /// All of it.
    pub body: Bytes,
}

/// A request to a service's API.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// What to do.
    pub method: Method,
    /// With what.
    pub url: &'a str,
    /// The header of that name.
    pub authorization: Option<&'a str>,
    /// A body of JSON.
    pub json: Option<Vec<u8>>,
    /// Bytes that the answer may have.
    pub limit: usize,
    /// How long it may take, all together.
    pub deadline: Duration,
}

/// What is asked of a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) url: &'a str,
    pub(crate) accept: &'static str,
    /// Bytes that the answer may have.
    pub(crate) limit: usize,
    pub(crate) deadline: Duration,
}

/// Asks services. Clones share connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpClient {
    /// A client that trusts the roots of `ca_file` too.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if that file is none of certificates.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots::load(ca_file)?)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// The answer, whatever its status.
    pub(crate) async fn get(&self, question: Question<'_>) -> Result<Answer, HttpError> {
        let unusable = || HttpError::Url {
            url: question.url.to_owned(),
        };
        let request = Request::get(question.url)
            .header(header::ACCEPT, question.accept)
            .header(header::USER_AGENT, AGENT)
            .body(Full::default());
        let request = request.map_err(|_| unusable())?;
        self.ask(request, question.limit, question.deadline).await
    }

    /// The answer to a request of an API, whatever its status.
    ///
    /// # Errors
    ///
    /// [`HttpError`] if there is none.
    pub async fn call(&self, call: Call<'_>) -> Result<Answer, HttpError> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.url)
            .header(header::ACCEPT, JSON)
            .header(header::USER_AGENT, AGENT);
        if let Some(authorization) = call.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if call.json.is_some() {
            request = request.header(header::CONTENT_TYPE, JSON);
        }
        let request = request.body(Full::from(call.json.unwrap_or_default()));
        let request = request.map_err(|_| HttpError::Url {
            url: call.url.to_owned(),
        })?;
        self.ask(request, call.limit, call.deadline).await
    }

    /// Sends a request as it is, but for the header that names this node; the answer is whole,
    /// whatever its status.
    ///
    /// # Errors
    ///
    /// [`HttpError`] if there is none.
    pub async fn send(
        &self,
        mut request: Request<Bytes>,
        limit: usize,
        deadline: Duration,
    ) -> Result<Response<Bytes>, HttpError> {
        let agent = HeaderValue::from_static(AGENT);
        request.headers_mut().insert(header::USER_AGENT, agent);
        self.whole(request.map(Full::new), limit, deadline).await
    }

    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
        deadline: Duration,
    ) -> Result<Answer, HttpError> {
        let (head, body) = self.whole(request, limit, deadline).await?.into_parts();
        let media_type = head.headers.get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|text| text.split(';').next());
        Ok(Answer {
            status: head.status,
            media_type: media_type.unwrap_or_default().trim().to_ascii_lowercase(),
            body,
        })
    }

    async fn whole(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
        deadline: Duration,
    ) -> Result<Response<Bytes>, HttpError> {
        let host = request.uri().host().map(str::to_owned);
        let host = host.ok_or_else(|| HttpError::Url {
            url: request.uri().to_string(),
        })?;
        match tokio::time::timeout(deadline, self.exchange(request, limit, &host)).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Slow { host, deadline }),
        }
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        limit: usize,
        host: &str,
    ) -> Result<Response<Bytes>, HttpError> {
        let host = || host.to_owned();
        let answer = self.client.request(request).await;
        let (head, body) = answer
            .map_err(|source| HttpError::Unreachable {
                host: host(),
                source,
            })?
            .into_parts();
        let body = match Limited::new(body, limit).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(HttpError::TooLarge {
                    host: host(),
                    limit,
                });
            }
            Err(source) => {
                return Err(HttpError::Broken {
                    host: host(),
                    source,
                });
            }
        };
        Ok(Response::from_parts(head, body))
    }
}
