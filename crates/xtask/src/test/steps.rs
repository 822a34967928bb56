//! What each step does.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{Count, Outcome, Step, peers};
use crate::install::{self, CHROMIUM, DENY, FFMPEG, SHEAR, TYPOS};
use crate::program::{Program, on_path};
use crate::{repository, tidy};

/// The advisory database is fetched from another host; one that is silent is not reachable.
const FETCH: Duration = Duration::from_secs(60);

pub(super) fn run(step: Step) -> Result<Outcome> {
    match step {
        Step::Format => check(cargo(&["fmt", "--all", "--", "--check"])?),
        Step::Deny => deny(),
        Step::Unused => check(Program::new(install::tool(SHEAR)?).current_dir(repository::root()?)),
        Step::Typos => check(Program::new(install::tool(TYPOS)?).current_dir(repository::root()?)),
        Step::Web => web(),
        Step::Lint => lint(),
        Step::Tidy => {
            tidy::run(repository::build_everything).map(|()| Outcome::Ran(Count::default()))
        }
        Step::Cargo => tests(),
        Step::Browser => browser(),
        Step::Pinning => pinning(),
        Step::Shipping => shipping(),
    }
}

/// A program whose success is the whole answer.
fn check(program: Program) -> Result<Outcome> {
    program.run()?;
    Ok(Outcome::Ran(Count::default()))
}

/// Runs a program that prints test results. Failed tests are counted; a failure without any is
/// one of its own.
fn counted(program: Program) -> Result<Outcome> {
    let mut count = Count::default();
    match program.watch(|line| count.read(line)) {
        Err(error) if count.failed == 0 => Err(error),
        _ => Ok(Outcome::Ran(count)),
    }
}

/// Cargo in the root.
fn cargo(arguments: &[&str]) -> Result<Program> {
    Ok(Program::new("cargo")
        .args(arguments)
        .current_dir(repository::root()?))
}

/// Cargo where it builds the node, and with it the web app.
fn building_cargo(arguments: &[&str]) -> Result<Program> {
    install::node()?.on_path_of(cargo(arguments)?)
}

fn lint() -> Result<Outcome> {
    let arguments = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    check(building_cargo(&arguments)?)
}

fn deny() -> Result<Outcome> {
    let deny = install::tool(DENY)?;
    let root = repository::root()?;
    let deny = |arguments: &[&str]| Program::new(&deny).args(arguments).current_dir(&root);
    let mut count = Count::default();
    let mut add = |outcome: Result<()>| match outcome {
        Ok(()) => count.passed += 1,
        Err(error) => {
            println!("error: {error:#}");
            count.failed += 1;
        }
    };
    for kind in ["bans", "licenses", "sources"] {
        add(deny(&["check", kind]).run());
    }
    match deny(&["fetch", "db"]).deadline(FETCH).run() {
        Ok(()) => add(deny(&["check", "--disable-fetch", "advisories"]).run()),
        Err(error) => {
            println!("advisories skipped: their database is not reachable from here ({error:#})");
            count.skipped += 1;
        }
    }
    Ok(Outcome::Ran(count))
}

fn tests() -> Result<Outcome> {
    install::system(FFMPEG)?;
    let binary = repository::build_everything()?;
    let arguments = ["test", "--workspace", "--all-targets", "--no-fail-fast"];
    let cargo = building_cargo(&arguments)?.env("CIDCAST_BIN", binary);
    counted(match peers::kubo()? {
        Some(kubo) => cargo.env("IPFS_BIN", kubo),
        None => cargo,
    })
}

fn web() -> Result<Outcome> {
    let node = install::node()?;
    let web = repository::root()?.join("node/web");
    install::node_packages(&web, &node)?;
    node.program("npm")?
        .args(["run", "check"])
        .current_dir(&web)
        .run()?;
    if !has_script(&web, "test")? {
        return Ok(Outcome::Ran(Count::default()));
    }
    counted(node.program("npm")?.args(["test"]).current_dir(&web))
}

fn browser() -> Result<Outcome> {
    let folder = repository::root()?.join("tests/browser");
    if !folder.join("package.json").is_file() {
        return Ok(Outcome::Skipped("there are no browser tests".to_owned()));
    }
    install::system(FFMPEG)?;
    let chromium = install::system(CHROMIUM)?;
    let node = install::node()?;
    install::node_packages(&folder, &node)?;
    let binary = repository::build_everything()?;
    let tests = node
        .program("node")?
        .args(["--test", "--test-concurrency=1"])
        .current_dir(&folder);
    counted(
        tests
            .env("CIDCAST_BIN", binary)
            .env("CHROMIUM_BIN", chromium),
    )
}

fn pinning() -> Result<Outcome> {
    let folder = repository::root()?.join("tests/pinning");
    install::system(FFMPEG)?;
    let node = install::node()?;
    install::node_packages(&folder, &node)?;
    let binary = repository::build_everything()?;
    let tests = node.program("node")?.args(["--test"]);
    counted(tests.current_dir(&folder).env("CIDCAST_BIN", binary))
}

/// Linters of what the project ships beside the binary, where the machine has them.
fn shipping() -> Result<Outcome> {
    let root = repository::root()?;
    // systemd wants every program of a unit to be there, and ours is not installed.
    let unit = std::fs::read_to_string(root.join("docker/cidcast.service"))?;
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("cidcast.service");
    std::fs::write(&copy, unit.replace("/usr/local/bin/cidcast", "/bin/true"))?;
    let copy = copy
        .to_str()
        .context("the temporary folder has a name that is not text")?;
    let mut count = Count::default();
    for words in [
        &["hadolint", "docker/Dockerfile"][..],
        &[
            "docker",
            "compose",
            "--file",
            "docker/compose.yaml",
            "config",
            "--quiet",
        ],
        &["systemd-analyze", "verify", "--man=no", copy],
    ] {
        let Some((name, arguments)) = words.split_first() else {
            continue;
        };
        if !is_here(name, arguments) {
            println!("{} is not here: skipped", words.join(" "));
            count.skipped += 1;
        } else if let Err(error) = Program::new(name).args(arguments).current_dir(&root).run() {
            println!("error: {error:#}");
            count.failed += 1;
        } else {
            count.passed += 1;
        }
    }
    Ok(Outcome::Ran(count))
}

/// Whether there is such a linter; of docker, also whether it has the plugin.
fn is_here(name: &str, arguments: &[&str]) -> bool {
    on_path(name).is_some()
        && (name != "docker"
            || Program::new(name)
                .args(arguments.first())
                .arg("version")
                .succeeds())
}

fn has_script(folder: &Path, name: &str) -> Result<bool> {
    let package: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("package.json"))?)?;
    Ok(package.pointer(&format!("/scripts/{name}")).is_some())
}
