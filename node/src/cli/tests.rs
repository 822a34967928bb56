//! The command line as its user meets it.

use clap::{CommandFactory as _, Parser as _};

use super::args::{Args, AssetCommand, Command, FeedCommand};

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_is_consistent() {
    Args::command().debug_assert();
}

#[test]
fn global_options_stand_before_and_after_the_command() {
    for line in [
        "cidcast --json asset ls",
        "cidcast asset ls --json",
        "cidcast asset --json ls",
    ] {
        assert!(parse(line).unwrap().json, "{line}");
    }
}

#[test]
fn serve_takes_addresses_and_several_swarm_addresses() {
    let args = parse(
        "cidcast serve --api-listen 127.0.0.1:0 --gateway-listen [::1]:0 \
         --swarm-listen /ip4/127.0.0.1/tcp/0 --swarm-listen /ip4/127.0.0.1/udp/0/quic-v1",
    );
    let Command::Serve(serve) = args.unwrap().command else {
        panic!("not serve")
    };
    assert_eq!(serve.swarm_listen.len(), 2);
    assert_eq!(serve.api_listen.unwrap().port(), 0);
}

#[test]
fn a_bad_id_state_or_visibility_is_explained() {
    for (line, expected) in [
        ("cidcast asset show nope", "is not an id"),
        ("cidcast asset ls --state done", "use queued, probing"),
        (
            "cidcast add x.mp4 --visibility open",
            "use private, unlisted or public",
        ),
        ("cidcast store get nope", "nope"),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
}

#[test]
fn a_misspelt_command_is_answered_with_the_nearest() {
    assert!(
        parse("cidcast serv")
            .unwrap_err()
            .to_string()
            .contains("serve")
    );
}

#[test]
fn editing_needs_something_to_change() {
    let id = "01j9z3k5v8q2w4e6r7t9y0a1b2";
    assert!(parse(&format!("cidcast asset edit {id}")).is_err());
    let args = parse(&format!("cidcast asset edit {id} --tag a --tag b")).unwrap();
    let Command::Asset(AssetCommand::Edit(edit)) = args.command else {
        panic!("not edit")
    };
    assert_eq!(edit.changes.tags, ["a", "b"]);
}

#[test]
fn help_lists_every_exit_code() {
    let help = Args::command().render_help().to_string();
    for code in ["  0 ", "  1 ", "  2 ", "  3 ", "  4 ", "  5 "] {
        assert!(help.contains(code), "{code}");
    }
}

#[test]
fn a_follow_takes_a_policy_and_explains_a_wrong_one() {
    let line = "cidcast feed follow example.org --replicate budget:50GiB --renditions 480p,audio \
        --strategy rare --min-hours 6";
    let Command::Feed(FeedCommand::Follow(follow)) = parse(line).unwrap().command else {
        panic!("not follow")
    };
    assert_eq!(follow.target, "example.org");
    assert_eq!(follow.policy.renditions.unwrap().len(), 2);
    for (line, expected) in [
        ("cidcast feed follow x --replicate some", "newest:N"),
        (
            "cidcast feed follow x --strategy best",
            "newest, watched or rare",
        ),
        (
            "cidcast feed block k51 --fate burn",
            "keep, unindex or delete",
        ),
        ("cidcast replica rm k51 nope", "is not an id"),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}");
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
}

#[test]
fn every_command_about_publishers_parses() {
    for line in [
        "cidcast feed ls",
        "cidcast feed show",
        "cidcast feed show k51",
        "cidcast feed unfollow k51",
        "cidcast feed unblock k51",
        "cidcast feed search two words --limit 3",
        "cidcast feed search",
        "cidcast feed profile --name Meadow",
        "cidcast feed blocklist export -o list",
        "cidcast feed blocklist import list",
        "cidcast feed blocklist rm k51",
        "cidcast feed blocklist ls",
        "cidcast key show --json",
        "cidcast key export -o key.pem --passphrase-file pass",
        "cidcast key import key.pem --yes",
        "cidcast peer block 12D3 --reason spam",
        "cidcast peer unblock 12D3",
        "cidcast peer reset-score 12D3",
        "cidcast replica ls",
        "cidcast replica pause",
        "cidcast replica resume",
        "cidcast asset retract 01j9z3k5v8q2w4e6r7t9y0a1b2 --reason wrong",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    assert!(parse("cidcast feed profile").is_err(), "nothing to change");
}
