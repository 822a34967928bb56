//! Adds a file to a store and pins it: `add_file STORE FILE` prints the root CID once every block
//! is on disk, synced and pinned.
//!
//! This is the smallest whole use of the store, and what `cargo xtask bench store` measures.

use std::error::Error;
use std::fs::File;
use std::path::PathBuf;

use cidcast_ipfs::unixfs::add::add_reader;
use cidcast_store::{Audience, Holder, Store, StoreSettings};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(folder), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: add_file STORE FILE".into());
    };
    let store = Store::open(&folder, StoreSettings::default())?;
    let guard = store.in_flight();
    let link = add_reader(&store, &guard, File::open(file)?)?;
    store.sync()?;
    let holder: Holder = "example".parse()?;
    store.pin(&holder, &link.cid, Audience::Members)?;
    drop(guard);
    store.close()?;
    println!("{}", link.cid);
    Ok(())
}
