//! `cidcast name`.

use std::process::ExitCode;

use reqwest::Method;

use super::Context;
use super::args::NameCommand;
use super::failure::Failure;
use crate::api::{PublishRequest, PublishedView, ResolvedView};

pub(crate) async fn run(context: &Context, command: NameCommand) -> Result<ExitCode, Failure> {
    let (client, output) = (context.client()?, context.output);
    match command {
        NameCommand::Publish { value, key } => {
            let value = match value.starts_with('/') {
                true => value,
                false => format!("/ipfs/{value}"),
            };
            let request = client.request(Method::POST, "/api/v1/names");
            let request = request.json(&PublishRequest { value, key });
            let published: PublishedView = client.json(request).await?;
            if !published.in_network {
                output.note("no peer has taken the record yet; the node keeps trying");
            }
            output.result(&published, || {
                format!("/ipns/{} → {}", published.name, published.value)
            });
        }
        NameCommand::Resolve { name } => {
            let query = [("name", name)];
            let resolved: ResolvedView = client.query("/api/v1/names", &query).await?;
            output.result(&resolved, || resolved.path.clone());
        }
    }
    Ok(ExitCode::SUCCESS)
}
