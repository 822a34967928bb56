//! Talking to a node: the one that `--api` names, or the one that runs on the data directory.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Context;
use super::failure::Failure;
use crate::api::{Document, type_of};
use crate::serve::{RunFile, read_token};

/// A node on this machine answers at once; one far away has this long to accept.
const CONNECT: Duration = Duration::from_secs(10);

/// A node that can be talked to.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl Client {
    /// The node that the command line names, or that has written `run.json`.
    pub(crate) fn find(context: &Context) -> Result<Self, Failure> {
        match &context.api {
            Some(url) => Self::at(url, context.token.clone()),
            None => Self::local(context)?.ok_or_else(|| {
                Failure::unreachable(format!(
                    "no node runs on {}: start one with `cidcast serve`, or name one with --api URL",
                    context.data_dir.path().display()
                ))
            }),
        }
    }

    /// The node on the data directory, if it wrote `run.json`.
    pub(crate) fn local(context: &Context) -> Result<Option<Self>, Failure> {
        let run = RunFile::read(&context.data_dir);
        let run =
            run.map_err(|error| Failure::file("read", &context.data_dir.run_file(), &error))?;
        let Some(run) = run else { return Ok(None) };
        let own = read_token(&context.data_dir).map_err(|error| Failure::local(&error))?;
        let token = context.token.clone().or(own);
        Self::at(&format!("http://{}", run.api), token).map(Some)
    }

    fn at(url: &str, token: Option<String>) -> Result<Self, Failure> {
        let base = url.trim_end_matches('/').to_owned();
        if !base.starts_with("http://") {
            return Err(Failure::usage(format!(
                "`{url}` is not a usable API address: write http://HOST:PORT (for a node behind \
                 TLS, forward a port: ssh -L 7878:127.0.0.1:7878 HOST)"
            )));
        }
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .no_proxy()
            .build();
        let http = http.map_err(|error| Failure::local(&error))?;
        Ok(Self { http, base, token })
    }

    /// A request to a path of the API.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and lets only successes pass.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.failed(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        Err(Failure::from_node(document(status, &body)))
    }

    /// The JSON answer to a request.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> Result<T, Failure> {
        let response = self.send(request).await?;
        response
            .json()
            .await
            .map_err(|error| Failure::local(&error))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(self.request(Method::GET, path)).await
    }

    pub(crate) async fn query<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &(impl Serialize + Sync),
    ) -> Result<T, Failure> {
        self.json(self.request(Method::GET, path).query(query))
            .await
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(self.request(Method::POST, path)).await
    }

    fn failed(&self, error: &reqwest::Error) -> Failure {
        if error.is_connect() || error.is_timeout() {
            return Failure::unreachable(format!(
                "no node answers at {}: start one with `cidcast serve`, or name another with --api \
                 URL",
                self.base
            ));
        }
        Failure::local(error)
    }
}

/// The problem document of an answer, or one made from its status.
fn document(status: StatusCode, body: &[u8]) -> Document {
    serde_json::from_slice(body).unwrap_or_else(|_| Document {
        kind: type_of("unexpected-answer"),
        title: "Unexpected answer".to_owned(),
        status: status.as_u16(),
        detail: format!("the node answered {status}: is this address the API of a cidcast node?"),
    })
}
