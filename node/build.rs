//! Builds the web app into `$OUT_DIR/web`, from which the binary embeds it.
//!
//! With `CIDCAST_WEB_DIST=<folder>` a finished build is taken instead, and no Node.js is needed.

#![expect(clippy::disallowed_methods, reason = "the web app is built by npm")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

type Failure = Box<dyn std::error::Error>;

fn main() {
    if let Err(failure) = run() {
        eprintln!("\nthe web app could not be built: {failure}\n");
        std::process::exit(1);
    }
}

fn run() -> Result<(), Failure> {
    let web = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("web");
    println!("cargo:rerun-if-env-changed=CIDCAST_WEB_DIST");
    println!("cargo:rerun-if-changed=build.rs");
    if let Some(dist) = env::var_os("CIDCAST_WEB_DIST") {
        println!("cargo:rerun-if-changed={}", dist.display());
        return Ok(take_prebuilt(Path::new(&dist), &out)?);
    }
    watch_sources(&web);
    let npm = find_npm()?;
    if needs_install(&web) {
        command(npm, &web, &["ci", "--no-audit", "--no-fund"], &[])?;
    }
    command(npm, &web, &["run", "build"], &[("CIDCAST_WEB_OUT", &out)])
}

/// Only what a person edits: `node_modules` and build results must not start a build.
fn watch_sources(web: &Path) {
    for name in [
        "src",
        "public",
        "index.html",
        "embed.html",
        "package.json",
        "package-lock.json",
        "vite.config.ts",
        "svelte.config.js",
        "tsconfig.json",
    ] {
        let path = web.join(name);
        if path.exists() {
            println!("cargo:rerun-if-changed={}", path.display());
        }
    }
}

fn find_npm() -> Result<&'static str, Failure> {
    const NEEDED: (u32, u32) = (20, 19);
    const HOW: &str = "install Node.js 20.19 or later (Debian 13, Ubuntu 25.04: apt-get install \
        nodejs npm; macOS: brew install node; others: https://nodejs.org/), or set \
        CIDCAST_WEB_DIST to the folder of a finished build";
    let answer = Command::new("node").arg("--version").output();
    let answer = answer.map_err(|error| format!("cannot run node ({error}): {HOW}"))?;
    let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    let mut parts = version
        .trim_start_matches('v')
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    if found < NEEDED {
        return Err(format!("node {version} is too old: {HOW}").into());
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let works = Command::new(npm).arg("--version").output();
    works.map_err(|error| format!("cannot run npm ({error}): {HOW}"))?;
    Ok(npm)
}

/// Whether the packages are missing or older than the lock file. npm writes
/// `node_modules/.package-lock.json` last, so it stands for a complete installation.
fn needs_install(web: &Path) -> bool {
    let modified = |path: PathBuf| fs::metadata(path).and_then(|data| data.modified());
    match (
        modified(web.join("package-lock.json")),
        modified(web.join("node_modules/.package-lock.json")),
    ) {
        (Ok(wanted), Ok(installed)) => wanted > installed,
        _ => true,
    }
}

fn command(
    program: &str,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, &Path)],
) -> Result<(), Failure> {
    let said = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .envs(variables.iter().copied())
        .output()?;
    if said.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    Err(format!(
        "`{program} {}` failed ({}):\n{}\n{}",
        arguments.join(" "),
        said.status,
        text(&said.stdout),
        text(&said.stderr)
    )
    .into())
}

fn take_prebuilt(dist: &Path, out: &Path) -> io::Result<()> {
    if !dist.join("index.html").is_file() {
        let message = format!("CIDCAST_WEB_DIST={} has no index.html", dist.display());
        return Err(io::Error::other(message));
    }
    match fs::remove_dir_all(out) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    copy_tree(dist, out)
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
