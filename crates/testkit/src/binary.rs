//! Where the binary under test is.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The `cidcast` binary: `CIDCAST_BIN`, or the one that cargo builds beside the running test.
/// It is built first, so that a test never runs an old one.
pub fn cidcast() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(locate).clone()
}

#[expect(clippy::expect_used, reason = "without the binary no test can run")]
fn locate() -> PathBuf {
    if let Some(given) = std::env::var_os("CIDCAST_BIN") {
        return given.into();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = command(cargo.as_ref())
        .args(["build", "--quiet", "--package", "cidcast"])
        .status()
        .expect("cargo can be started");
    assert!(built.success(), "the cidcast binary does not build");
    let test = std::env::current_exe().expect("a test knows where it is");
    // target/debug/deps/stories-… or target/debug/xtask
    let found = test
        .ancestors()
        .skip(1)
        .map(|dir| dir.join("cidcast"))
        .find(|path| path.is_file());
    found.expect("the cidcast binary lies beside the test")
}

/// A command of the binary under test. Settings of whoever runs the tests do not reach it.
pub fn cidcast_command() -> Command {
    let mut program = command(&cidcast());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CIDCAST_") {
            program.env_remove(name);
        }
    }
    program
}

/// A command; development tools are the only other place that starts processes.
#[expect(
    clippy::disallowed_methods,
    reason = "tests start the binary that they test"
)]
pub fn command(program: &std::path::Path) -> Command {
    Command::new(program)
}
