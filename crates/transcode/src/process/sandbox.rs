//! What a child may touch, enforced by Landlock.
//!
//! Media files are outside bytes, and demuxers and decoders have a history. A child gets to read
//! the source and the system's libraries, to write its output folder, and no network at all.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr,
    RulesetError, Scope, path_beneath_rules,
};

/// The newest rules that are asked for. Older kernels enforce the part that they know.
const RULES: ABI = ABI::V6;

/// Programs, libraries and what the loader reads. Folders of users, data and secrets are absent.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
];

/// Devices that libraries open.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/urandom", "/dev/random"];

/// Rules for one child, ready to be applied between fork and exec.
///
/// # Errors
/// If the kernel has Landlock but refuses the rules.
pub(super) fn rules(
    program: &Path,
    reads: &Path,
    writes: Option<&Path>,
) -> Result<RulesetCreated, RulesetError> {
    let read = AccessFs::from_read(RULES);
    let look = AccessFs::ReadFile | AccessFs::ReadDir;
    Ruleset::default()
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(Scope::from_all(RULES))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, read))?
        .add_rules(path_beneath_rules(beside(program), read))?
        .add_rules(path_beneath_rules(
            DEVICES,
            AccessFs::ReadFile | AccessFs::WriteFile,
        ))?
        .add_rules(path_beneath_rules([reads], look))?
        .add_rules(path_beneath_rules(
            writes,
            AccessFs::from_all(RULES) & !AccessFs::Execute,
        ))
}

/// Whether this kernel enforces any of it.
pub(crate) fn is_enforced() -> bool {
    rules(Path::new("/"), Path::new("/dev/null"), None)
        .is_ok_and(|rules| Option::<OwnedFd>::from(rules).is_some())
}

/// Where a program that is not the system's own keeps itself and its libraries.
fn beside(program: &Path) -> Vec<PathBuf> {
    let Ok(program) = program.canonicalize() else {
        return Vec::new();
    };
    let lib = program
        .parent()
        .and_then(Path::parent)
        .map(|up| up.join("lib"));
    [Some(program), lib].into_iter().flatten().collect()
}
