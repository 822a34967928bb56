//! Applies the migrations to an empty database in the build folder, so that every query of this
//! crate is checked against the real schema at compile time, without a database to set up and
//! without a cache to keep in step.

use std::path::PathBuf;
use std::{env, fs, io};

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=build.rs");
    let schema =
        PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?).join("schema.db");
    match fs::remove_file(&schema) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let options = SqliteConnectOptions::new()
        .filename(&schema)
        .create_if_missing(true);
    let mut connection: SqliteConnection = options.connect().await?;
    let migrations = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("no manifest folder")?)
        .join("migrations");
    Migrator::new(migrations)
        .await?
        .run(&mut connection)
        .await?;
    connection.close().await?;
    // A setting of the caller's own must not point the checks at another schema.
    println!("cargo:rustc-env=SQLX_OFFLINE=false");
    println!("cargo:rustc-env=DATABASE_URL=sqlite:{}", schema.display());
    Ok(())
}
