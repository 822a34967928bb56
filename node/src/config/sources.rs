//! Where configuration and data lie, and what a first run leaves there.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Config, ConfigError, DOCUMENTED, check, from_environment, from_text};

/// What the command line said about places.
#[derive(Debug, Clone, Default)]
pub(crate) struct Locations {
    /// `--data-dir`.
    pub(crate) data_dir: Option<PathBuf>,
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
}

/// The directory that holds everything a node keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// The configuration file that goes before the one in the directory.
    config: Option<PathBuf>,
}

/// Whether [`DataDir::create`] made the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstRun {
    /// It was made now.
    Yes,
    /// It was there.
    No,
}

/// The data directory cannot be named or made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    #[error("no home directory is known: pass --data-dir DIR or set CIDCAST_DATA_DIR")]
    NoHome,
    #[error("cannot make the data directory {}: {source}. Pass --data-dir DIR for another place", path.display())]
    NotMade {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl DataDir {
    /// The directory asked for, or `cidcast` in the XDG data directory.
    pub(crate) fn locate(locations: &Locations) -> Result<Self, DataDirError> {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let default = || {
            set("XDG_DATA_HOME")
                .filter(|path| path.is_absolute())
                .or_else(|| set("HOME").map(|home| home.join(".local/share")))
                .map(|base| base.join("cidcast"))
        };
        let chosen = locations
            .data_dir
            .clone()
            .or_else(default)
            .ok_or(DataDirError::NoHome)?;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Ok(Self {
            path: absolute(chosen),
            config: locations.config.clone().map(absolute),
        })
    }

    /// The directory itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The configuration file that counts, whether it exists or not.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.config.clone().unwrap_or_else(|| self.own_config())
    }

    /// Where this node keeps its configuration unless told otherwise.
    fn own_config(&self) -> PathBuf {
        self.path.join("config.yaml")
    }

    /// Where a running node says how to reach it.
    pub(crate) fn run_file(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// The local admin token, readable by its owner only.
    pub(crate) fn admin_token_file(&self) -> PathBuf {
        self.path.join("admin.token")
    }

    /// Names that this node has published, and their keys.
    pub(crate) fn names_folder(&self) -> PathBuf {
        self.path.join("names")
    }

    /// The peer's private key.
    pub(crate) fn swarm_key_file(&self) -> PathBuf {
        self.path.join("peer.key")
    }

    /// The publisher's private key.
    pub(crate) fn publisher_key_file(&self) -> PathBuf {
        self.path.join("publisher.key")
    }

    /// The catalog's database.
    pub(crate) fn catalog_file(&self) -> PathBuf {
        self.path.join("catalog.sqlite")
    }

    /// Where blocks lie.
    pub(crate) fn store_dir(&self, config: &Config) -> PathBuf {
        config
            .store
            .dir
            .clone()
            .unwrap_or_else(|| self.path.join("store"))
    }

    /// Makes the directory (mode 0700) if it is missing, with a copy of the documented
    /// configuration in which every key is commented out.
    pub(crate) fn create(&self) -> Result<FirstRun, DataDirError> {
        let failed = |source| DataDirError::NotMade {
            path: self.path.clone(),
            source,
        };
        let first = if self.path.is_dir() {
            FirstRun::No
        } else {
            FirstRun::Yes
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(failed)?;
        if first == FirstRun::Yes {
            std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(0o700))
                .map_err(failed)?;
            let written = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(self.own_config())
                .and_then(|mut file| file.write_all(commented_out(DOCUMENTED).as_bytes()));
            written.map_err(failed)?;
        }
        Ok(first)
    }
}

/// The documented file with every key turned into a comment, so that it changes nothing.
fn commented_out(documented: &str) -> String {
    documented
        .lines()
        .map(|line| match line.trim() {
            "" => "\n".to_owned(),
            _ if line.starts_with('#') => format!("{line}\n"),
            _ => format!("#{line}\n"),
        })
        .collect()
}

/// The configuration in force: the file named on the command line, else the data directory's if
/// there is one, then the environment; checked.
pub(crate) fn read(locations: &Locations, data_dir: &DataDir) -> Result<Config, ConfigError> {
    let from_file = match &locations.config {
        Some(path) => read_file(path)?,
        None if data_dir.config_file().exists() => read_file(&data_dir.config_file())?,
        None => Config::default(),
    };
    let config = from_environment(from_file, std::env::vars())?;
    let findings = check(&config);
    if findings.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Unusable(findings))
    }
}

/// One file, unchecked.
pub(crate) fn read_file(path: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.display().to_string(),
        source,
    })?;
    from_text(&text, &path.display().to_string())
}
