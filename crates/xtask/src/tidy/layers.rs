//! Imports go down only, and each outside thing has its owner.

use anyhow::{Context, Result};
use serde_json::Value;

/// The layers, lowest first. Crates of one layer do not import each other; `node` is the
/// composition root and may import everything below.
const LAYERS: [&[&str]; 8] = [
    &["types"],
    &["media", "announce", "runtime"],
    &["store", "transcode", "catalog"],
    &["exchange"],
    &["ipfs"],
    &["ingest", "discovery", "cluster", "pinning"],
    &["gateway"],
    &["node"],
];

/// Crates that only tests and tasks use.
const DEVELOPMENT: [&str; 4] = ["testkit", "xtask", "stories", "fuzz"];

/// Outside things, and the crates that may name each.
const OUTSIDE: [(&str, &[&str]); 7] = [
    ("rust-ipfs", &["ipfs"]),
    ("connexa", &["ipfs"]),
    ("libp2p", &["exchange", "ipfs"]),
    ("rust-unixfs", &["ipfs"]),
    ("sqlx", &["catalog"]),
    ("redb", &["store"]),
    ("ed25519-dalek", &["announce"]),
];

/// A dependency as `Cargo.toml` declares it.
#[derive(Debug)]
struct Edge {
    from: String,
    to: String,
    /// Whether only tests have it.
    development: bool,
}

/// Complaints about what `cargo metadata` says.
pub(crate) fn check(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata.get("packages").and_then(Value::as_array);
    let packages = packages.context("cargo metadata lists no packages")?;
    let mut complaints = Vec::new();
    for package in packages {
        let from = short(text(package, "name")?);
        if layer(from).is_none() && !DEVELOPMENT.contains(&from) {
            complaints.push(format!(
                "{from} is in no layer: give it one in xtask's tidy/layers.rs"
            ));
        }
        let dependencies = package.get("dependencies").and_then(Value::as_array);
        for dependency in dependencies.into_iter().flatten() {
            let edge = Edge {
                from: from.to_owned(),
                to: text(dependency, "name")?.to_owned(),
                development: dependency.get("kind").and_then(Value::as_str) == Some("dev"),
            };
            complaints.extend(edge.complaint());
        }
    }
    Ok(complaints)
}

impl Edge {
    fn complaint(&self) -> Option<String> {
        let Self {
            from,
            to,
            development,
        } = self;
        if let Some((_, owners)) = OUTSIDE.iter().find(|(outside, _)| to == outside) {
            let refused = !owners.contains(&from.as_str());
            let owners = owners.join(" and ");
            return refused.then(|| format!("{from} names {to}: only {owners} may"));
        }
        if !(to.starts_with("cidcast-") || to == "cidcast") || DEVELOPMENT.contains(&from.as_str())
        {
            return None;
        }
        let below = short(to);
        if DEVELOPMENT.contains(&below) {
            return (!development)
                .then(|| format!("{from} ships {below}, which is for tests only"));
        }
        if from == below && *development {
            return None; // its own tests, with a feature that only they have
        }
        match (layer(from), layer(below)) {
            (Some(upper), Some(lower)) if lower < upper => None,
            _ => Some(format!(
                "{from} imports {below}: imports go down the layers only"
            )),
        }
    }
}

/// `cidcast-store` is `store`; `cidcast` is the node.
fn short(package: &str) -> &str {
    if package == "cidcast" {
        "node"
    } else {
        package.strip_prefix("cidcast-").unwrap_or(package)
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value
        .get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("a package without {key}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn complaints(from: &str, to: &str, kind: Option<&str>) -> usize {
        let dependency = json!({"name": to, "kind": kind});
        let metadata = json!({"packages": [{"name": from, "dependencies": [dependency]}]});
        check(&metadata).unwrap().len()
    }

    #[test]
    fn imports_go_down() {
        assert_eq!(complaints("cidcast-store", "cidcast-types", None), 0);
        assert_eq!(complaints("cidcast", "cidcast-gateway", None), 0);
        assert_eq!(complaints("cidcast-types", "cidcast-store", None), 1);
        assert_eq!(complaints("cidcast-gateway", "cidcast", None), 1);
    }

    #[test]
    fn neighbours_do_not_import_each_other() {
        assert_eq!(complaints("cidcast-store", "cidcast-catalog", None), 1);
        assert_eq!(
            complaints("cidcast-media", "cidcast-runtime", Some("build")),
            1
        );
    }

    #[test]
    fn an_outside_thing_has_one_owner() {
        assert_eq!(complaints("cidcast-ipfs", "libp2p", None), 0);
        assert_eq!(complaints("cidcast-exchange", "libp2p", None), 0);
        assert_eq!(complaints("cidcast-exchange", "rust-ipfs", None), 1);
        assert_eq!(complaints("cidcast-gateway", "rust-ipfs", None), 1);
        assert_eq!(complaints("cidcast-xtask", "sqlx", None), 1);
        assert_eq!(complaints("cidcast-ingest", "sqlx", Some("dev")), 1);
    }

    #[test]
    fn the_test_kit_is_for_tests() {
        assert_eq!(
            complaints("cidcast-ingest", "cidcast-testkit", Some("dev")),
            0
        );
        assert_eq!(complaints("cidcast-ingest", "cidcast-testkit", None), 1);
        assert_eq!(complaints("cidcast-stories", "cidcast-testkit", None), 0);
    }

    #[test]
    fn a_crate_may_test_itself_with_other_features() {
        assert_eq!(complaints("cidcast-store", "cidcast-store", Some("dev")), 0);
    }

    #[test]
    fn a_new_crate_needs_a_layer() {
        assert_eq!(complaints("cidcast-novelty", "serde", None), 1);
    }
}
