//! `cidcast store` while no node runs: opens the store itself, which its lock guards.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use cidcast_ipfs::Blocks;
use cidcast_store::{Audience, Holder, Store, StoreSettings};
use cidcast_types::Cid;

use super::Context;
use super::args::StoreCommand;
use super::failure::Failure;
use super::get::{Reader, get};
use super::output::size;
use super::store::{absent, show_imported, show_report, show_stat};
use crate::api::{Imported, VerifyView};
use crate::config;

pub(super) async fn run(context: &Context, command: StoreCommand) -> Result<ExitCode, Failure> {
    let store = open(context)?;
    let done = act(context, &store, command).await;
    store.close().map_err(|error| Failure::local(&error))?;
    done
}

fn open(context: &Context) -> Result<Store, Failure> {
    let config = config::read(&context.locations, &context.data_dir)?;
    let dir = context.data_dir.store_dir(&config);
    if !dir.exists() {
        return Err(Failure::unreachable(format!(
            "there is no store at {} and no node runs: name the data directory with --data-dir",
            dir.display()
        )));
    }
    Store::open(&dir, StoreSettings::default()).map_err(|error| Failure::local(&error))
}

async fn act(context: &Context, store: &Store, command: StoreCommand) -> Result<ExitCode, Failure> {
    let output = context.output;
    match command {
        StoreCommand::Stat => {
            let stat = store.stat().map_err(|error| Failure::local(&error))?;
            show_stat(output, &stat.into());
        }
        StoreCommand::Verify => {
            let bar = super::add::progress(output, 0, "{spinner} {msg}");
            let report = store.verify(
                |done| bar.set_message(format!("{} blocks, {}", done.blocks, size(done.bytes))),
                || false,
            );
            bar.finish_and_clear();
            let report = report.map_err(|error| Failure::local(&error))?;
            return show_report(output, &VerifyView::from(&report));
        }
        StoreCommand::Get { cid, output: file } => {
            check_present(store, &cid)?;
            let reader = Reader::Here(Blocks::new(store.clone()));
            get(&reader, &cid, file.as_deref()).await?;
        }
        StoreCommand::Export { root, output: file } => export(store, &root, file.as_deref())?,
        StoreCommand::Import { file, holder } => {
            let holder: Holder = holder.parse().map_err(Failure::usage)?;
            let car = File::open(&file).map_err(|error| Failure::file("read", &file, &error))?;
            let roots = store.import_car(BufReader::new(car), &holder, Audience::Members);
            let roots = roots.map_err(|error| Failure::local(&error))?;
            let roots = roots.iter().map(ToString::to_string).collect();
            show_imported(output, &Imported { roots });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn export(store: &Store, root: &Cid, file: Option<&Path>) -> Result<(), Failure> {
    check_present(store, root)?;
    let Some(path) = file else {
        return write_car(store, root, std::io::stdout());
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part");
    let failed = |error: std::io::Error| Failure::file("write", path, &error);
    write_car(store, root, File::create(&beside).map_err(failed)?)?;
    std::fs::rename(&beside, path).map_err(failed)
}

fn write_car(store: &Store, root: &Cid, to: impl Write + Send) -> Result<(), Failure> {
    let mut writer = BufWriter::with_capacity(1 << 20, to);
    store
        .export_car(root, &mut writer)
        .map_err(|error| Failure::local(&error))?;
    writer.flush().map_err(|error| Failure::local(&error))
}

fn check_present(store: &Store, cid: &Cid) -> Result<(), Failure> {
    match store.has(cid).map_err(|error| Failure::local(&error))? {
        true => Ok(()),
        false => Err(absent(cid)),
    }
}
