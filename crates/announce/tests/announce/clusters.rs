//! What members of a cluster sign.

use std::collections::BTreeMap;

use cidcast_announce::cluster::{
    ClusterId, ClusterOp, Copies, Entry, EntryDraft, Heartbeat, HeartbeatDraft, Invitation,
    InvitationDraft, MAX_ENTRY_BYTES, MAX_TIPS, MemberSettings, Nonce, PinAudience, PinSpec, Role,
    Stamp, Tip,
};
use cidcast_announce::{NodeId, NodeKey, Notice, SignError, VerifyError};
use cidcast_types::Timestamp;

use crate::draft::cid;

fn key(n: u8) -> NodeKey {
    NodeKey::from_seed([n; 32])
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + millis)
}

fn stamp(millis: u64, count: u32) -> Stamp {
    let wall = at(millis);
    Stamp { wall, count }
}

pub(crate) fn genesis() -> Entry {
    let name = "Friends".to_owned();
    let draft = EntryDraft {
        cluster: None,
        seq: 0,
        prev: None,
        at: stamp(0, 0),
        ops: vec![ClusterOp::Found { name }],
    };
    Entry::sign(&key(1), draft).unwrap()
}

fn second(ops: Vec<ClusterOp>) -> EntryDraft {
    EntryDraft {
        cluster: Some(genesis().cluster()),
        seq: 1,
        prev: Some(genesis().cid()),
        at: stamp(5, 2),
        ops,
    }
}

fn tags(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn settings() -> MemberSettings {
    MemberSettings {
        name: "attic".to_owned(),
        tags: tags(&[("site", "home"), ("os", "linux")]),
        weight: 50,
        draining: true,
        ..MemberSettings::new(Role::Follower)
    }
}

fn spec() -> PinSpec {
    PinSpec {
        priority: 200,
        expires: Some(at(1_000)),
        name: Some("Holidays".to_owned()),
        meta: tags(&[("b", "1"), ("aa", "2")]),
        spread: Some("site".to_owned()),
        origins: vec![format!("/ip4/192.0.2.1/tcp/4747/p2p/{}", key(9).node())],
        audience: PinAudience::Anyone,
        ..PinSpec::new(Copies::Between { min: 2, max: 3 })
    }
}

fn every_op() -> Vec<ClusterOp> {
    let member = key(2).node();
    vec![
        ClusterOp::Admit {
            member,
            settings: MemberSettings::new(Role::Writer),
            invitation: Nonce::from_bytes([7; 16]),
        },
        ClusterOp::Settle {
            member,
            settings: settings(),
        },
        ClusterOp::Remove { member, last: None },
        ClusterOp::Remove {
            member,
            last: Some(7),
        },
        ClusterOp::Pin {
            root: cid(0x70, 1),
            spec: Box::new(spec()),
        },
        ClusterOp::Pin {
            root: cid(0x55, 2),
            spec: Box::new(PinSpec::new(Copies::Everywhere)),
        },
        ClusterOp::Unpin { root: cid(0x70, 1) },
        ClusterOp::Elsewhere {
            root: cid(0x70, 1),
            service: "https://pins.example.org/psa".to_owned(),
            kept: true,
        },
    ]
}

fn heartbeat() -> HeartbeatDraft {
    let mut authors = [key(1).node(), key(2).node()];
    authors.sort();
    let tip = |author: NodeId| Tip {
        author,
        seq: 4,
        cid: genesis().cid(),
    };
    HeartbeatDraft {
        cluster: genesis().cluster(),
        boot: 3,
        number: 17,
        at: at(9),
        capacity: 1 << 40,
        free: 1 << 39,
        pins: 12,
        bytes: 34,
        changes: 56,
        tips: authors.map(tip).to_vec(),
        protocol: 1,
    }
}

fn invitation() -> InvitationDraft {
    InvitationDraft {
        cluster: genesis().cluster(),
        addresses: vec![format!("/ip4/192.0.2.1/tcp/4747/p2p/{}", key(1).node())],
        role: Role::Follower,
        nonce: Nonce::from_bytes([5; 16]),
        until: at(60_000),
    }
}

#[test]
fn an_entry_says_after_verifying_what_was_signed() {
    let draft = second(every_op());
    let made = Entry::sign(&key(1), draft.clone()).unwrap();
    let read = Entry::verify(made.bytes()).unwrap();
    assert_eq!(read, made);
    assert_eq!((read.author(), read.cid()), (key(1).node(), made.cid()));
    assert_eq!(
        (read.seq(), read.prev(), read.at()),
        (1, draft.prev, draft.at)
    );
    assert_eq!(read.ops(), every_op());
    assert_eq!(read.cluster(), genesis().cluster());
}

#[test]
fn a_cluster_is_named_by_the_entry_that_founds_it() {
    let genesis = Entry::verify(genesis().bytes()).unwrap();
    assert!(genesis.is_genesis());
    assert_eq!(genesis.cluster().cid(), genesis.cid());
    let text = genesis.cluster().to_string();
    assert_eq!(text.parse(), Ok(genesis.cluster()));
    assert!("bafkqaaa".parse::<ClusterId>().is_err());
}

#[test]
fn only_the_first_entry_of_a_cluster_founds_one() {
    let found = || ClusterOp::Found {
        name: String::new(),
    };
    let refused = |draft: EntryDraft| {
        let error = Entry::sign(&key(1), draft).unwrap_err();
        assert!(matches!(error, SignError::Field(_)), "{error}");
    };
    refused(second(vec![found()]));
    let unfounded = EntryDraft {
        cluster: None,
        seq: 0,
        prev: None,
        at: stamp(0, 0),
        ops: every_op(),
    };
    refused(unfounded.clone());
    refused(EntryDraft {
        ops: vec![found(), found()],
        ..unfounded
    });
    let mut later = every_op();
    later.push(found());
    refused(EntryDraft {
        ops: later,
        ..unfounded
    });
    refused(EntryDraft {
        cluster: None,
        ..second(vec![found()])
    });
}

#[test]
fn heartbeats_and_invitations_say_after_verifying_what_was_signed() {
    let made = Heartbeat::sign(&key(2), heartbeat()).unwrap();
    let read = Heartbeat::verify(made.bytes()).unwrap();
    assert_eq!((read.node(), read.says()), (key(2).node(), &heartbeat()));

    let made = Invitation::sign(&key(1), invitation()).unwrap();
    let read: Invitation = made.to_string().parse().unwrap();
    assert_eq!(
        (read.inviter(), read.says()),
        (key(1).node(), &invitation())
    );
    assert!(!made.to_string().contains(['\n', ' ', '=']));
    for bad in [
        "",
        "cidcast-join-",
        "cidcast-join-AAAA",
        &made.to_string()[1..],
    ] {
        assert!(bad.parse::<Invitation>().is_err(), "{bad}");
    }
}

#[test]
fn the_largest_heartbeat_fits() {
    let mut authors: Vec<NodeId> = (0..MAX_TIPS)
        .map(|n| {
            let mut seed = [1; 32];
            seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
            NodeKey::from_seed(seed).node()
        })
        .collect();
    authors.sort();
    let tips = authors.into_iter().map(|author| Tip {
        author,
        seq: (1 << 53) - 1,
        cid: genesis().cid(),
    });
    let full = HeartbeatDraft {
        tips: tips.collect(),
        ..heartbeat()
    };
    let made = Heartbeat::sign(&key(1), full.clone()).unwrap();
    assert!(Heartbeat::verify(made.bytes()).is_ok());
    let mut unsorted = full;
    unsorted.tips.swap(0, 1);
    assert!(Heartbeat::sign(&key(1), unsorted).is_err());
}

#[test]
fn no_byte_can_be_changed_and_none_added() {
    let entry = Entry::sign(&key(1), second(every_op())).unwrap();
    let beat = Heartbeat::sign(&key(1), heartbeat()).unwrap();
    let invitation = Invitation::sign(&key(1), invitation()).unwrap();
    let is_read = |bytes: &[u8]| {
        Entry::verify(bytes).is_ok()
            || Heartbeat::verify(bytes).is_ok()
            || Invitation::verify(bytes).is_ok()
    };
    for bytes in [entry.bytes(), beat.bytes(), invitation.bytes()] {
        assert!(is_read(bytes));
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            assert!(!is_read(&changed), "byte {at}");
            assert!(!is_read(&bytes[..at]), "cut at {at}");
        }
        assert!(!is_read(&[bytes, &[0][..]].concat()));
    }
}

#[test]
fn a_signature_for_one_purpose_is_none_for_another() {
    let entry = Entry::sign(&key(1), second(every_op())).unwrap();
    let beat = Heartbeat::sign(&key(1), heartbeat()).unwrap();
    assert!(Heartbeat::verify(entry.bytes()).is_err());
    assert!(Entry::verify(beat.bytes()).is_err());
    assert!(Notice::verify(entry.bytes()).is_err());
    assert!(Invitation::verify(beat.bytes()).is_err());
}

#[test]
fn what_is_out_of_bounds_is_named() {
    let pin = |change: fn(&mut PinSpec)| {
        let mut spec = spec();
        change(&mut spec);
        let root = cid(0x70, 1);
        let spec = Box::new(spec);
        Entry::sign(&key(1), second(vec![ClusterOp::Pin { root, spec }]))
    };
    let settle = |change: fn(&mut MemberSettings)| {
        let mut settings = settings();
        change(&mut settings);
        let member = key(2).node();
        Entry::sign(
            &key(1),
            second(vec![ClusterOp::Settle { member, settings }]),
        )
    };
    let between = |min, max| Copies::Between { min, max };
    assert!(pin(|_| {}).is_ok() && settle(|_| {}).is_ok());
    let refused = [
        (
            "copies",
            pin(|spec| spec.copies = Copies::Between { min: 0, max: 1 }),
        ),
        (
            "copies",
            pin(|spec| spec.copies = Copies::Between { min: 3, max: 2 }),
        ),
        ("name", pin(|spec| spec.name = Some(String::new()))),
        ("name", pin(|spec| spec.name = Some("x".repeat(256)))),
        (
            "origins",
            pin(|spec| spec.origins = vec!["nowhere".to_owned()]),
        ),
        (
            "meta",
            pin(|spec| spec.meta = (0..33).map(|n| (n.to_string(), "v".into())).collect()),
        ),
        (
            "tags",
            settle(|settings| settings.tags = [(String::new(), "v".into())].into()),
        ),
        ("weight", settle(|settings| settings.weight = 10_001)),
    ];
    for (field, result) in refused {
        match result.unwrap_err() {
            SignError::Field(error) => assert_eq!(error.field, field),
            other => panic!("{field}: {other}"),
        }
    }
    let all = pin(|spec| spec.copies = Copies::Between { min: 1, max: 1000 });
    assert!(all.is_ok() && between(1, 1) != Copies::Everywhere);
}

#[test]
fn too_much_is_refused_before_it_is_parsed_and_when_signing() {
    let bytes = vec![0; MAX_ENTRY_BYTES + 1];
    let error = Entry::verify(&bytes).unwrap_err();
    assert!(matches!(error, VerifyError::TooLarge { .. }));
    let long = PinSpec {
        meta: (0..32).map(|n| (n.to_string(), "v".repeat(255))).collect(),
        ..spec()
    };
    let pin = ClusterOp::Pin {
        root: cid(0x70, 1),
        spec: Box::new(long),
    };
    let error = Entry::sign(&key(1), second(vec![pin; 16])).unwrap_err();
    assert!(matches!(error, SignError::TooLarge { .. }), "{error}");
}

#[test]
fn keys_of_maps_stand_in_the_order_of_dag_cbor() {
    let entry = Entry::sign(&key(1), second(every_op())).unwrap();
    let place = |text: &[u8]| entry.bytes().windows(text.len()).position(|at| at == text);
    // A shorter key first: `b` before `aa`.
    assert!(place(b"\x61b\x611").unwrap() < place(b"\x62aa\x612").unwrap());
}
