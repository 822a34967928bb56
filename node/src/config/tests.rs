//! The configuration as its reader meets it.

use super::*;

fn refused(text: &str) -> String {
    from_text(text, "test.yaml")
        .expect_err("the text should be refused")
        .to_string()
}

fn with_variables(variables: &[(&str, &str)]) -> Result<Config, String> {
    let owned = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    from_environment(Config::default(), owned).map_err(|error| error.to_string())
}

#[test]
fn the_documented_file_says_exactly_the_defaults() {
    assert_eq!(
        from_text(DOCUMENTED, "cidcast.yaml").unwrap(),
        Config::default()
    );
}

#[test]
fn the_documented_file_names_every_key() {
    let tree = serde_json::to_value(Config::default()).unwrap();
    for (section, keys) in tree.as_object().unwrap() {
        assert!(DOCUMENTED.contains(&format!("\n{section}:\n")), "{section}");
        for key in keys.as_object().unwrap().keys() {
            assert!(
                DOCUMENTED.contains(&format!("\n  {key}:")),
                "{section}.{key}"
            );
        }
    }
}

#[test]
fn the_defaults_can_be_used() {
    assert_eq!(check(&Config::default()), []);
}

#[test]
fn an_empty_file_means_the_defaults() {
    for text in ["", "\n\n", "# only a comment\n"] {
        assert_eq!(from_text(text, "test.yaml").unwrap(), Config::default());
    }
}

#[test]
fn a_misspelt_key_is_refused_with_line_and_nearest_name() {
    let text = "log:\n  level: info\ntranscode:\n  prest: fast\n";
    assert_eq!(
        refused(text),
        "test.yaml line 4: unknown key transcode.prest: did you mean preset?"
    );
}

#[test]
fn a_misspelt_section_is_refused_with_the_nearest_name() {
    assert_eq!(
        refused("gatway:\n  listen: 1\n"),
        "test.yaml line 1: unknown key gatway: did you mean gateway?"
    );
}

#[test]
fn a_key_like_no_other_is_refused_with_the_known_ones() {
    let message = refused("store:\n  zzz: 1\n");
    assert!(
        message.contains("unknown key store.zzz: known here are dir"),
        "{message}"
    );
}

#[test]
fn a_value_of_the_wrong_kind_is_refused_with_its_key_and_what_to_write() {
    let message = refused("upload:\n  max_bytes: 10 apples\n");
    assert!(
        message.starts_with("test.yaml line 2: upload.max_bytes: `10 apples` is not a size"),
        "{message}"
    );
    let message = refused("api:\n  listen: nowhere\n");
    assert!(
        message.contains("api.listen: `nowhere` is not a listening address"),
        "{message}"
    );
    let message = refused("transcode:\n  crf: high\n");
    assert!(message.contains("transcode.crf"), "{message}");
}

#[test]
fn a_variable_overrides_one_key_and_leaves_the_others() {
    let config = with_variables(&[
        ("CIDCAST_TRANSCODE__PARALLEL", "3"),
        ("CIDCAST_UPLOAD__MAX_BYTES", "5 MiB"),
        ("CIDCAST_SWARM__LISTEN", "[/ip4/127.0.0.1/tcp/0]"),
        ("CIDCAST_LOG__FORMAT", "json"),
        ("CIDCAST_GATEWAY__PUBLIC_URL", "https://v.example.org"),
        ("PATH", "/bin"),
    ])
    .unwrap();
    let mut expected = Config::default();
    expected.transcode.parallel = Some(3);
    expected.upload.max_bytes = "5 MiB".parse().unwrap();
    expected.swarm.listen = vec!["/ip4/127.0.0.1/tcp/0".into()];
    expected.log.format = LogFormat::Json;
    expected.gateway.public_url = Some("https://v.example.org".into());
    assert_eq!(config, expected);
}

#[test]
fn a_misspelt_variable_is_refused_with_the_nearest_name() {
    let message = with_variables(&[("CIDCAST_TRANSCODE_PARALLEL", "3")]).unwrap_err();
    assert!(
        message.contains("did you mean CIDCAST_TRANSCODE__PARALLEL?"),
        "{message}"
    );
}

#[test]
fn a_variable_with_a_bad_value_is_refused_by_name() {
    let message = with_variables(&[("CIDCAST_TRANSCODE__CRF", "high")]).unwrap_err();
    assert!(
        message.starts_with("environment variable CIDCAST_TRANSCODE__CRF: transcode.crf"),
        "{message}"
    );
}

#[test]
fn command_line_variables_are_not_configuration() {
    let variables = [
        ("CIDCAST_DATA_DIR", "/x"),
        ("CIDCAST_TEST_FAULT", "1"),
        ("CIDCAST_TOKEN", "t"),
    ];
    assert_eq!(with_variables(&variables).unwrap(), Config::default());
}

#[test]
fn every_unusable_value_is_found_at_once() {
    let text = "api:\n  listen: 0.0.0.0:80\ntranscode:\n  crf: 99\n  preset: swift\n  \
                max_short_side: 721\n";
    let found = check(&from_text(text, "test.yaml").unwrap());
    let keys: Vec<String> = found
        .iter()
        .map(|f| f.to_string().split(": ").next().unwrap().to_owned())
        .collect();
    assert_eq!(
        keys,
        [
            "api.listen",
            "transcode.max_short_side",
            "transcode.preset",
            "transcode.crf"
        ]
    );
}

#[test]
fn a_first_run_makes_a_private_directory_and_a_file_that_changes_nothing() {
    use std::os::unix::fs::PermissionsExt as _;

    let scratch = tempfile::tempdir().unwrap();
    let locations = Locations {
        data_dir: Some(scratch.path().join("a/b")),
        config: None,
    };
    let data_dir = DataDir::locate(&locations).unwrap();
    assert_eq!(data_dir.create().unwrap(), FirstRun::Yes);
    assert_eq!(data_dir.create().unwrap(), FirstRun::No);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(data_dir.path()), 0o700);
    assert_eq!(mode(&data_dir.config_file()), 0o600);
    assert_eq!(
        read_file(&data_dir.config_file()).unwrap(),
        Config::default()
    );
    let text = std::fs::read_to_string(data_dir.config_file()).unwrap();
    assert!(
        text.lines()
            .all(|line| line.is_empty() || line.starts_with('#'))
    );
}
