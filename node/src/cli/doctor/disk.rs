//! Where things are kept.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::output::size;
use super::Finding;
use crate::config::{Config, DataDir};

/// Syncing this much takes a disk some 10 ms.
const PROBE_BYTES: usize = 1 << 20;
/// A disk that takes longer makes every upload and every package wait.
const SLOW: Duration = Duration::from_secs(1);
/// One file for each block: fewer than these are gone after a few hours of video.
const FEW_FILES: u64 = 100_000;

pub(super) fn data_dir(path: &Path) -> Finding {
    let what = "data directory";
    let name = path.display();
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Finding::note(
            what,
            format!("{name} does not exist yet: `cidcast serve` makes it"),
        ),
        Err(error) => Finding::problem(
            what,
            format!("{name} cannot be looked at ({error}): run as the user who owns it"),
        ),
        Ok(facts) if !facts.is_dir() => Finding::problem(
            what,
            format!("{name} is no directory: pass another with --data-dir"),
        ),
        Ok(facts) if facts.permissions().mode() & 0o077 != 0 => Finding::problem(
            what,
            format!("{name} can be entered by others: run `chmod 700 {name}`"),
        ),
        Ok(_) => Finding::fine(what, name.to_string()),
    }
}

/// The data directory, and the store's if it is elsewhere.
fn places(data_dir: &DataDir, config: &Config) -> Vec<PathBuf> {
    let mut places = vec![data_dir.path().to_owned()];
    places.extend(config.store.dir.clone());
    places
}

pub(super) fn space(data_dir: &DataDir, config: &Config) -> Vec<Finding> {
    let needed = config.upload.min_free.bytes();
    let look = |place: PathBuf| free_space(&place, needed);
    places(data_dir, config).into_iter().map(look).collect()
}

fn free_space(place: &Path, needed: u64) -> Finding {
    let what = "disk space";
    let name = place.display();
    // What does not exist yet will be made in the nearest directory that does.
    let existing = place.ancestors().find(|path| path.exists());
    let Some(Ok(stat)) = existing.map(rustix::fs::statvfs) else {
        let detail = format!("the free space of {name} is not known: is the disk mounted?");
        return Finding::note(what, detail);
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let (room, wanted) = (size(free), size(needed));
    // Some file systems have no fixed number of files.
    let files = (stat.f_files > 0).then_some(stat.f_favail);
    if free < needed {
        let detail =
            format!("{room} free in {name}, uploads need {wanted} (upload.min_free): make room");
        return Finding::problem(what, detail);
    }
    match files {
        Some(files) if files < FEW_FILES => Finding::note(
            what,
            format!(
                "{room} free in {name}, but only {files} more files fit (`df -i`): every block is \
                 a file; use a file system with more of them"
            ),
        ),
        _ => Finding::fine(what, format!("{room} free in {name}")),
    }
}

/// Whether what is written is really on the disk when the system says so cannot be seen from here;
/// whether it says so, and how soon, can.
pub(super) fn sync(data_dir: &DataDir, config: &Config) -> Vec<Finding> {
    let existing = places(data_dir, config).into_iter();
    let existing = existing.filter(|place| place.is_dir());
    existing.map(|place| synced(&place)).collect()
}

fn synced(place: &Path) -> Finding {
    let what = "disk writes";
    let name = place.display();
    match write_and_sync(place) {
        Ok(took) if took > SLOW => Finding::note(
            what,
            format!(
                "1 MiB took {:.1} s to reach the disk of {name}: the disk is busy or slow, and \
                 uploads will be too",
                took.as_secs_f64()
            ),
        ),
        Ok(took) => Finding::fine(
            what,
            format!(
                "1 MiB is on the disk of {name} after {} ms",
                took.as_millis()
            ),
        ),
        Err(error) => Finding::problem(
            what,
            format!(
                "{name} cannot be written ({error}): check owner, permissions, mount options and \
                 quota"
            ),
        ),
    }
}

fn write_and_sync(place: &Path) -> io::Result<Duration> {
    let path = place.join(format!(".doctor-{}", std::process::id()));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    let began = Instant::now();
    let written = fill(file);
    let took = began.elapsed();
    // Whatever happened, nothing stays.
    std::fs::remove_file(&path)?;
    written.map(|()| took)
}

fn fill(mut file: File) -> io::Result<()> {
    file.write_all(&vec![0xa5; PROBE_BYTES])?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_directory_that_others_may_enter_is_a_problem() {
        let dir = tempfile::tempdir().unwrap();
        let allow = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.path(), mode).unwrap();
        };
        allow(0o700);
        assert_eq!(data_dir(dir.path()).state, State::Fine);
        allow(0o755);
        let found = data_dir(dir.path());
        assert_eq!(found.state, State::Problem);
        assert!(found.detail.contains("chmod 700"), "{found:?}");
        assert_eq!(data_dir(&dir.path().join("later")).state, State::Note);
    }

    #[test]
    fn too_little_room_is_a_problem_and_so_is_a_place_that_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(free_space(dir.path(), 1).state, State::Fine);
        assert_eq!(free_space(dir.path(), u64::MAX).state, State::Problem);
        assert_eq!(synced(dir.path()).state, State::Fine);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(synced(&dir.path().join("not there")).state, State::Problem);
    }
}
