//! From YAML and environment variables to a [`Config`], with errors that name key and line.

use serde_json::Value;

use super::{Config, check};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {path}: {source}. Check that it exists and is readable")]
    Unreadable {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not YAML of the right shape.
    #[error("{origin}{}: {reason}", line.map(|line| format!(" line {line}")).unwrap_or_default())]
    Invalid {
        /// The file, or the environment variable.
        origin: String,
        /// Counted from 1.
        line: Option<u64>,
        /// What is wrong and what to write instead.
        reason: String,
    },
    /// A variable names no key.
    #[error("unknown environment variable {name}{hint}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// The nearest known name, if one is near.
        hint: String,
    },
    /// Every value has the right type but some cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Unusable(Vec<check::Finding>),
}

/// Variables of this prefix are configuration, unless they stand in [`OTHER_VARIABLES`].
const PREFIX: &str = "CIDCAST_";

/// Variables that say something else: command-line options, and the build's and tests' own.
const OTHER_VARIABLES: [&str; 6] = [
    "CIDCAST_DATA_DIR",
    "CIDCAST_CONFIG",
    "CIDCAST_API",
    "CIDCAST_TOKEN",
    "CIDCAST_WEB_DIST",
    "CIDCAST_WEB_OUT",
];

/// Tests hand faults and settings to the binary under this prefix.
const TEST_PREFIX: &str = "CIDCAST_TEST_";

/// Reads a file's text. `origin` is how errors call it.
pub(crate) fn from_text(text: &str, origin: &str) -> Result<Config, ConfigError> {
    if is_blank(text) {
        return Ok(Config::default());
    }
    let mut path = String::new();
    serde_saphyr::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            path = error.path().to_string();
            error.into_inner()
        })
    })
    .map_err(|error| invalid(origin, &path, &error))
}

/// Applies overrides to `config`. Variables without our prefix are ignored.
pub(crate) fn from_environment(
    config: Config,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let ours = variables.into_iter().filter(|(name, _)| {
        name.starts_with(PREFIX)
            && !name.starts_with(TEST_PREFIX)
            && !OTHER_VARIABLES.contains(&name.as_str())
    });
    let mut config = config;
    for (name, text) in ours {
        config = override_one(&config, &name, &text)?;
    }
    Ok(config)
}

fn override_one(config: &Config, name: &str, text: &str) -> Result<Config, ConfigError> {
    let invalid_value = |reason: String| ConfigError::Invalid {
        origin: format!("environment variable {name}"),
        line: None,
        reason,
    };
    let mut tree =
        serde_json::to_value(config).map_err(|error| invalid_value(error.to_string()))?;
    let path = name.trim_start_matches(PREFIX).to_ascii_lowercase();
    let place = path
        .split_once("__")
        .and_then(|(section, key)| tree.get_mut(section)?.get_mut(key))
        .ok_or_else(|| unknown_variable(config, name))?;
    let plain = Value::String(text.to_owned());
    // `info` and `10 GiB` are text as they stand; `4`, `null` and `[a, b]` mean something in YAML.
    let meant = match place {
        Value::String(_) => plain,
        _ => serde_saphyr::from_str(text).unwrap_or(plain),
    };
    *place = meant;
    serde_path_to_error::deserialize(tree).map_err(|error| {
        let path = error.path().to_string();
        invalid_value(format!("{path}: {}", error.into_inner()))
    })
}

fn unknown_variable(config: &Config, name: &str) -> ConfigError {
    let known = variable_names(config);
    let hint = nearest(name, known.iter().map(String::as_str)).map_or_else(
        || ": `cidcast config show` lists every section and key".to_owned(),
        |near| format!(": did you mean {near}?"),
    );
    ConfigError::UnknownVariable {
        name: name.to_owned(),
        hint,
    }
}

fn variable_names(config: &Config) -> Vec<String> {
    let tree = serde_json::to_value(config).unwrap_or_default();
    let sections = tree.as_object().into_iter().flatten();
    sections
        .flat_map(|(section, keys)| {
            keys.as_object().into_iter().flatten().map(move |(key, _)| {
                format!(
                    "{PREFIX}{}__{}",
                    section.to_ascii_uppercase(),
                    key.to_ascii_uppercase()
                )
            })
        })
        .collect()
}

fn is_blank(text: &str) -> bool {
    text.lines()
        .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
}

fn invalid(origin: &str, path: &str, error: &serde_saphyr::Error) -> ConfigError {
    let error = error.without_snippet();
    let line = error.location().map(|place| place.line());
    let reason = match error {
        serde_saphyr::Error::SerdeUnknownField {
            field, expected, ..
        } => unknown_key(path, field, expected),
        other if path.is_empty() || path == "." => bare(&other.to_string()),
        other => format!("{path}: {}", bare(&other.to_string())),
    };
    ConfigError::Invalid {
        origin: origin.to_owned(),
        line,
        reason,
    }
}

/// The message without the parser's own account of the place, which we print ourselves.
fn bare(message: &str) -> String {
    let first = message.lines().next().unwrap_or(message);
    first.split(" at line ").next().unwrap_or(first).to_owned()
}

fn unknown_key(path: &str, field: &str, expected: &[&str]) -> String {
    let section = match path.strip_suffix(field) {
        Some(section) => section.trim_end_matches('.'),
        None => path.trim_end_matches('.'),
    };
    let name = if section.is_empty() {
        field.to_owned()
    } else {
        format!("{section}.{field}")
    };
    match nearest(field, expected.iter().copied()) {
        Some(near) => format!("unknown key {name}: did you mean {near}?"),
        None => format!("unknown key {name}: known here are {}", expected.join(", ")),
    }
}

/// The known name that `given` was most likely meant to be.
fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|name| (strsim::jaro_winkler(given, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}
