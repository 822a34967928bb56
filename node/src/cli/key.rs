//! `cidcast key`. The private key is read and written here, in the data directory: it never goes
//! through the API, encrypted or not.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use cidcast_announce::{Publisher, SigningKey};
use cidcast_discovery::feeds::{import_key, load_key};
use serde_json::json;

use super::Context;
use super::args::{KeyCommand, PassphraseArgs};
use super::failure::Failure;
use super::output::agree;
use super::passphrase;
use super::store::Target;
use crate::api::PublisherView;
use crate::serve::NodeLock;

pub(crate) async fn run(context: &Context, command: KeyCommand) -> Result<ExitCode, Failure> {
    match command {
        KeyCommand::Show => show(context).await?,
        KeyCommand::Export { output, passphrase } => {
            export(context, output.as_deref(), &passphrase).await?;
        }
        KeyCommand::Import {
            file,
            passphrase,
            yes,
        } => import(context, &file, &passphrase, Replace::from(yes))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Of the node that `--api` names; else of the data directory.
async fn show(context: &Context) -> Result<(), Failure> {
    let publisher = match &context.api {
        Some(_) => {
            let own: PublisherView = context.client()?.get("/api/v1/publisher").await?;
            own.publisher.parse().map_err(Failure::usage)?
        }
        None => own(context)?.publisher(),
    };
    let view = json!({ "publisher": publisher.to_string(), "peer_id": publisher.peer_id() });
    context.output.result(&view, || publisher.to_string());
    Ok(())
}

/// The key of the data directory; made if there is none, as a node would at its start.
fn own(context: &Context) -> Result<SigningKey, Failure> {
    context.data_dir.create()?;
    let key = load_key(&context.data_dir.publisher_key_file());
    key.map_err(|error| Failure::local(&error))
}

async fn export(
    context: &Context,
    file: Option<&Path>,
    args: &PassphraseArgs,
) -> Result<(), Failure> {
    let key = own(context)?;
    let passphrase = passphrase::chosen(args)?;
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| Failure::local(&error))?;
    let exported = key.export(&passphrase, random).map_err(Failure::usage)?;
    let mut target = Target::open(file).await?;
    target.write(exported.as_bytes()).await?;
    target.finish().await?;
    if let Some(file) = file {
        let publisher = key.publisher().to_string();
        let view = json!({ "publisher": publisher, "file": file });
        context.output.result(&view, || {
            format!("{publisher}\nexported to {}, encrypted", file.display())
        });
    }
    Ok(())
}

/// Whether `--yes` was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replace {
    Confirmed,
    Ask,
}

impl From<bool> for Replace {
    fn from(flag: bool) -> Self {
        if flag { Self::Confirmed } else { Self::Ask }
    }
}

fn import(
    context: &Context,
    file: &Path,
    args: &PassphraseArgs,
    replace: Replace,
) -> Result<(), Failure> {
    context.data_dir.create()?;
    // A running node holds its key in memory and would go on signing with it.
    let _lock = NodeLock::take(&context.data_dir).map_err(|error| Failure::local(&error))?;
    let text = fs::read_to_string(file).map_err(|error| Failure::file("read", file, &error))?;
    let key = SigningKey::import(&text, &passphrase::given(args)?).map_err(Failure::usage)?;
    let path = context.data_dir.publisher_key_file();
    let before = match path.exists() {
        true => Some(own(context)?.publisher()),
        false => None,
    };
    let publisher = key.publisher();
    if let Some(before) = before.filter(|before| *before != publisher) {
        confirm(&before, replace)?;
    }
    import_key(&path, &key).map_err(|error| Failure::local(&error))?;
    let view = json!({ "publisher": publisher.to_string() });
    context.output.result(&view, || {
        format!(
            "{publisher}\nThis node signs for it once it has learned from the network how far its \
             feed is. Stop the host that had the key before: two that sign fork the feed."
        )
    });
    Ok(())
}

fn confirm(before: &Publisher, replace: Replace) -> Result<(), Failure> {
    if replace == Replace::Confirmed {
        return Ok(());
    }
    let question = format!(
        "the key of {before} is here and would be lost unless it was exported: export it first, or \
         repeat with --yes"
    );
    let asked = format!("{question}\nReplace it now?");
    agree(&asked, &question, "nothing was changed")
}
