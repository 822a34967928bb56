//! `cidcast serve`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use super::Context;
use super::args::ServeArgs;
use super::failure::{Failure, Kind};
use crate::config::{self, Config, ConfigError, FirstRun, Log, LogFormat};
use crate::serve::{self, Addresses, RunFile, Stopped};

pub(crate) fn serve(context: &Context, options: ServeArgs) -> Result<ExitCode, Failure> {
    let config = configured(context, options)?;
    let first = context.data_dir.create()?;
    start_logging(&config.log)?;
    serve::raise_open_files(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| Failure::local(&error))?;
    let stopped = runtime.block_on(run(context, &config, first));
    // Everything that matters has been waited for.
    runtime.shutdown_background();
    stopped
}

async fn run(context: &Context, config: &Config, first: FirstRun) -> Result<ExitCode, Failure> {
    let running = serve::start(config, context.data_dir.clone()).await?;
    let addresses = running.addresses();
    let file = RunFile::of_this_process(addresses, &context.data_dir);
    context
        .output
        .result(&file, || greeting(addresses, &file, first));
    let signal = serve::stop_signal()
        .await
        .map_err(|error| Failure::local(&error))?;
    tracing::info!(signal, "stopping");
    match running.stop().await {
        Stopped::Clean => {
            tracing::info!("stopped");
            Ok(ExitCode::SUCCESS)
        }
        Stopped::Late => Err(Failure::new(
            Kind::Failed,
            "late",
            "Not stopped in time",
            "the node stopped, but not all of it in time (its log says what): nothing is lost, \
             the next start goes on from here",
        )),
    }
}

/// The configuration with what `serve` was told, checked again.
fn configured(context: &Context, options: ServeArgs) -> Result<Config, Failure> {
    let mut config = config::read(&context.locations, &context.data_dir)?;
    if let Some(address) = options.api_listen {
        config.api.listen = address;
    }
    if let Some(address) = options.gateway_listen {
        config.gateway.listen = address;
    }
    if !options.swarm_listen.is_empty() {
        config.swarm.listen = options.swarm_listen;
    }
    if !options.bootstrap.is_empty() {
        config.swarm.bootstrap = options.bootstrap;
    }
    let findings = config::check(&config);
    if findings.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Unusable(findings).into())
    }
}

/// `RUST_LOG` goes before the configuration. A plain level is that of cidcast's own crates; others
/// speak up from warnings on (that the DHT knows nobody yet is no news, and connexa calls every dial
/// that fails an error: in a public network, several a second).
fn start_logging(log: &Log) -> Result<(), Failure> {
    let directives = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => directives,
        _ if log.level.contains(['=', ',']) => log.level.clone(),
        _ => format!("warn,libp2p_kad=error,connexa=off,cidcast={}", log.level),
    };
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        Failure::new(Kind::Usage, "configuration", "Configuration not usable", format!(
            "log.level: `{directives}` is not usable ({error}): write info, or directives such as \
             info,cidcast_ingest=debug"
        ))
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

fn greeting(addresses: &Addresses, run: &RunFile, first: FirstRun) -> String {
    let mut text = format!(
        "cidcast {} is running\n  web app  http://{}/\n  gateway  http://{}/\n  peer     {}\n  data     {}\n",
        env!("CARGO_PKG_VERSION"),
        run.api,
        run.gateway,
        addresses.peer_id,
        addresses.data_dir.display()
    );
    if first == FirstRun::Yes {
        text.push_str(
            "This is the first run here: config.yaml in the data directory says what can be set.\n",
        );
    }
    text.push_str("Add a video by dropping it on the web app, or: cidcast add FILE\n");
    text
}
