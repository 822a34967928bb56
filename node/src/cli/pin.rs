//! `cidcast pin`.

use std::process::ExitCode;

use super::Context;
use super::args::PinCommand;
use super::failure::Failure;
use super::output::{size, table};
use crate::api::{PinList, PinView};

pub(crate) async fn run(context: &Context, command: PinCommand) -> Result<ExitCode, Failure> {
    let PinCommand::Ls { holder } = command;
    let query: Vec<(&str, String)> = holder
        .map(|holder| ("holder", holder))
        .into_iter()
        .collect();
    let pins: PinList = context.client()?.query("/api/v1/pins", &query).await?;
    context.output.result(&pins, || rows(&pins.items));
    Ok(ExitCode::SUCCESS)
}

fn rows(pins: &[PinView]) -> String {
    if pins.is_empty() {
        return "no pins".to_owned();
    }
    let head = ["CID", "HOLDER", "AUDIENCE", "BLOCKS", "SIZE"]
        .map(String::from)
        .to_vec();
    let mut rows = vec![head];
    rows.extend(pins.iter().map(|pin| {
        let (cid, holder, audience) = (pin.cid.clone(), pin.holder.clone(), pin.audience.clone());
        vec![
            cid,
            holder,
            audience,
            pin.blocks.to_string(),
            size(pin.bytes),
        ]
    }));
    table(&rows)
}
