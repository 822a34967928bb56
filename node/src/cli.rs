//! The command line: parse, do, say what happened.
//!
//! Results go to standard output, everything else to standard error. With `--json` results are
//! JSON and errors are problem documents.

mod add;
mod args;
mod asset;
mod client;
mod cluster;
mod configuration;
mod doctor;
mod failure;
mod feed;
mod fetch;
mod get;
mod key;
mod name;
mod output;
mod passphrase;
mod peer;
mod pin;
mod remote;
mod replica;
mod run;
mod store;
mod store_direct;
mod token;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command, ConfigCommand, TokenCommand};
use client::Client;
use failure::Failure;
use output::Output;

use crate::config::{DataDir, Locations};

/// What every command works with.
struct Context {
    locations: Locations,
    data_dir: DataDir,
    api: Option<String>,
    token: Option<String>,
    output: Output,
}

/// The whole program.
pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    let output = Output::new(&args);
    match run(args, output) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.exit_code()
        }
    }
}

fn run(args: Args, output: Output) -> Result<ExitCode, Failure> {
    let locations = Locations {
        data_dir: args.data_dir,
        config: args.config,
    };
    let data_dir = DataDir::locate(&locations)?;
    let context = Context {
        locations,
        data_dir,
        api: args.api,
        token: args.token,
        output,
    };
    match args.command {
        Command::Serve(options) => run::serve(&context, options),
        Command::Completions { shell } => {
            args::completions(shell);
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(ConfigCommand::Check { file }) => {
            configuration::check(&context, file.as_deref())
        }
        Command::Config(ConfigCommand::Show) => configuration::show(&context),
        Command::Token(TokenCommand::New(options)) => token::new(&context, &options),
        other => block_on(with_client(&context, other)),
    }
}

/// Commands that talk to a node, or stand in for one.
async fn with_client(context: &Context, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Add(options) => add::run(context, options).await,
        Command::Asset(command) => asset::run(context, command).await,
        Command::Pin(command) => pin::run(context, command).await,
        Command::Cluster(command) => cluster::run(context, command).await,
        Command::Name(command) => name::run(context, command).await,
        Command::Store(command) => store::run(context, command).await,
        Command::Peer(command) => peer::run(context, command).await,
        Command::Feed(command) => feed::run(context, command).await,
        Command::Key(command) => key::run(context, command).await,
        Command::Replica(command) => replica::run(context, command).await,
        Command::Doctor => doctor::run(context).await,
        Command::Serve(_)
        | Command::Completions { .. }
        | Command::Config(_)
        | Command::Token(_) => Ok(ExitCode::SUCCESS),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failure::local(&error))?
        .block_on(work)
}

impl Context {
    fn client(&self) -> Result<Client, Failure> {
        Client::find(self)
    }
}

#[cfg(test)]
mod tests;
