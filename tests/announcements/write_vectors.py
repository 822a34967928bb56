"""Writes the test vectors: `python3 write_vectors.py FOLDER`.

The vectors of a release are never written again: they stay as they are in
tests/fixtures/announcements, and every later reader must read them. This program shows how they
were made, and makes those of a later version.
"""

import json
import pathlib
import sys

import announcements
import dagcbor
import ed25519
from dagcbor import Link

ADA, BEN, NODE = bytes([1] * 32), bytes([2] * 32), bytes([3] * 32)
AT = 1_700_000_000_000
ASSET = "01hf7yat00000000000000000"


def asset(n):
    return ASSET + str(n)


def root(n):
    return b"\x01\x70\x12\x20" + bytes([n] * 32)


def link(n):
    return Link(b"\x01\x71\x12\x20" + bytes([n] * 32))


def envelope(signature, raw):
    return b"\xa2\x63sig\x58\x40" + signature + b"\x64body" + raw


def sealed(kind, raw, seed, domain=None):
    domain = domain or announcements.DOMAINS[kind]
    return envelope(ed25519.sign(seed, domain + b"\x00" + raw), raw)


def announcement(ops, seq=0, prev=None, seed=ADA, **changes):
    body = {
        "v": 1,
        "publisher": ed25519.public(seed),
        "seq": seq,
        "prev": prev,
        "at": AT + seq,
        "ops": ops,
    }
    return sealed("announcement", dagcbor.encode({**body, **changes}), seed)


def notice(says, seed=NODE, **changes):
    body = {"v": 1, "node": ed25519.public(seed), "at": AT, "says": says}
    return sealed("notice", dagcbor.encode({**body, **changes}), seed)


def block_list(entries, seed=ADA, **changes):
    body = {"v": 1, "publisher": ed25519.public(seed), "at": AT, "title": "Spam"}
    return sealed("blocklist", dagcbor.encode({**body, "entries": entries, **changes}), seed)


def publish(n=1, leave_out=(), **changes):
    fields = {
        "asset": asset(n),
        "root": root(n),
        "title": f"Asset {n}",
        "description": "Über alles, 映画 🎬",
        "tags": ["open", "film"],
        "created_at": AT,
        "duration_ms": 55_000,
        "bytes": 12_345_678,
        "renditions": [video(), sound()],
        "poster": "poster.jpg",
        "language": "de",
        "replication": {"min": 2, "max": 5},
        "views": "share",
        **changes,
    }
    return {"publish": {k: v for k, v in fields.items() if k not in leave_out}}


def video(**changes):
    fields = {"name": "720p", "kind": "video", "width": 1280, "height": 720}
    return {**fields, "bytes": 12_000_000, "path": "video/720p", **changes}


def sound(**changes):
    fields = {"name": "audio", "kind": "audio", "bytes": 345_678, "path": "audio/audio"}
    return {**fields, **changes}


def retract(n=1, **changes):
    return {"retract": {"asset": asset(n), "reason": "rights", **changes}}


def profile(**changes):
    node = "/ip4/192.0.2.1/tcp/4747/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
    fields = {"name": "Ada", "about": "Films", "nodes": [node], "web": "https://example.org/"}
    return {"profile": {**fields, **changes}}


def snapshot(seq=0, **changes):
    return {"snapshot": {"seq": seq, "head": link(1), "segments": [link(2)], **changes}}


def minimal(n=1):
    return publish(
        n,
        leave_out=("poster", "language"),
        title="T",
        description="",
        tags=[],
        duration_ms=0,
        bytes=0,
        renditions=[],
        replication={"min": 0, "max": 0},
        views="keep",
    )


def largest_fields():
    most = announcements.MAX_INTEGER
    renditions = [sound(name=f"r{n}", path=f"audio/r{n}", bytes=most) for n in range(32)]
    return publish(
        title="映" * 200,
        description="x" * 10_000,
        tags=["é" * 50] * 20,
        created_at=most,
        duration_ms=most,
        bytes=most,
        renditions=renditions,
        poster="p" * 512,
        language="x" * 35,
        replication={"min": 1000, "max": 1000},
    )


def at_limit(limit):
    """An announcement of exactly `limit` bytes, or one more."""
    ops = [retract(n, reason="x" * 1000) for n in range(10) for _ in range(6)]
    short = len(announcement(ops + [retract(0, reason="x" * 256)]))
    rest = limit - short
    while rest > 700:
        ops.append(retract(0, reason="x" * 500))
        rest = limit - len(announcement(ops + [retract(0, reason="x" * 256)]))
    return announcement(ops + [retract(0, reason="x" * (256 + rest))])


def feed():
    """A chain that ends with a snapshot of itself, and the snapshot's segment."""
    chain, prev = [], None
    batches = [
        [profile()],
        [publish(1), publish(2)],
        [retract(1)],
        [publish(2, title="Asset 2, renamed"), publish(3), {"poll": {"question": "?"}}],
    ]
    for seq, ops in enumerate(batches):
        chain.append(announcement(ops, seq, prev))
        prev = announcements.cid(chain[-1])
    entries = announcements.state(chain)
    segment = dagcbor.encode({"v": 1, "publisher": ed25519.public(ADA), "entries": entries})
    op = {"seq": 3, "head": prev, "segments": [announcements.cid(segment)]}
    chain.append(announcement([{"snapshot": op}], 4, prev))
    return chain, segment


def copy(**changes):
    return {"publisher": ed25519.public(ADA), "asset": asset(1), "root": root(1), **changes}


def about_asset(**fields):
    return {"publisher": ed25519.public(ADA), "asset": asset(1), **fields}


def blocked(entry="publisher", seed=BEN, reason="spam"):
    return {entry: ed25519.public(seed), "reason": reason}


def segment(entries, seed=ADA):
    body = {"v": 1, "publisher": ed25519.public(seed), "entries": entries}
    return dagcbor.encode(body)


def entry(op, seq=0):
    return {"seq": seq, "at": AT, "op": op}


def valid():
    ada = ed25519.public(ADA)
    chain, last = feed()
    for n, data in enumerate(chain):
        yield f"feed-{n}", "announcement", data
    yield "feed-segment", "segment", last
    yield "publish", "announcement", announcement([publish()])
    yield "publish-minimal", "announcement", announcement([minimal()])
    yield "publish-largest-fields", "announcement", announcement([largest_fields()])
    yield "retract", "announcement", announcement([retract()])
    yield "profile", "announcement", announcement([profile()])
    empty = {"profile": {"name": "", "about": "", "nodes": []}}
    yield "profile-empty", "announcement", announcement([empty])
    yield "snapshot", "announcement", announcement([snapshot()], 1, link(1))
    yield "largest-numbers", "announcement", announcement(
        [retract()], announcements.MAX_INTEGER, link(1), at=announcements.MAX_INTEGER
    )
    yield "of-64-kib", "announcement", at_limit(64 << 10)
    nested = [None, True, False, -1, 1.5, b"\x00", "", link(3), {"a": {}, "bb": []}]
    yield "unknown-operation", "announcement", announcement([{"later-idea": nested}, retract()])
    yield "notice-replica", "notice", notice({"replica": copy(until=AT + 1)})
    some = copy(renditions=["480p", "audio"], until=AT + 1)
    yield "notice-replica-of-some", "notice", notice({"replica": some})
    yield "notice-replica-withdrawn", "notice", notice({"replica-withdrawn": copy()})
    for outcome in ("deleted", "unindexed", "kept"):
        ack = about_asset(seq=12, outcome=outcome)
        yield f"notice-ack-{outcome}", "notice", notice({"retraction-ack": ack})
    views = about_asset(day="2024-02-29", count=17)
    yield "notice-views", "notice", notice({"views": views})
    yield "notice-follow", "notice", notice({"follow": {"publisher": ada}})
    by = {"publisher": ada, "by": ed25519.public(BEN)}
    yield "notice-follow-by", "notice", notice({"follow": by})
    yield "notice-unfollow", "notice", notice({"unfollow": {"publisher": ada}})
    yield "blocklist", "blocklist", block_list([blocked(), blocked("node", NODE, "")])
    yield "blocklist-empty", "blocklist", block_list([])


def badly_signed():
    data = announcement([retract()])
    flipped = bytearray(data)
    flipped[20] ^= 1
    yield "signature-damaged", "announcement", bytes(flipped), ["signature"]
    raw = data[76:]
    by_ben = sealed("announcement", raw, BEN)
    yield "signed-by-another", "announcement", by_ben, ["signature"]
    for kind in ("notice", "blocklist"):
        other = sealed("announcement", raw, ADA, announcements.DOMAINS[kind])
        yield f"signed-as-{kind}", "announcement", other, ["signature"]
    yield "signed-without-domain", "announcement", envelope(ed25519.sign(ADA, raw), raw), [
        "signature"
    ]
    s = int.from_bytes(data[39:71], "little") + ed25519.L
    unreduced = data[:39] + s.to_bytes(32, "little") + data[71:]
    yield "signature-s-not-reduced", "announcement", unreduced, ["signature"]
    # For a key of small order R = the neutral element and S = 0 verify anything, if one lets them.
    neutral = (1).to_bytes(32, "little")
    for name, key in (
        ("neutral", neutral),
        ("order-2", (ed25519.P - 1).to_bytes(32, "little")),
        ("order-4", bytes(32)),
        ("unreduced", (ed25519.P + 1).to_bytes(32, "little")),
        ("no-point", (2).to_bytes(32, "little")),
    ):
        body = dagcbor.decode(raw)
        small = envelope(neutral + bytes(32), dagcbor.encode({**body, "publisher": key}))
        yield f"key-{name}", "announcement", small, ["signer"]
    body = dagcbor.decode(raw)
    small_r = envelope(neutral + data[39:71], raw)
    yield "signature-r-of-small-order", "announcement", small_r, ["signature"]


def badly_spelled():
    def raw_ops(ops):
        """A body with `ops` as given, in hand-made CBOR."""
        parts = [
            b"\xa6\x61v\x01\x62at",
            dagcbor.encode(AT),
            b"\x63ops",
            ops,
            b"\x63seq\x00\x64prev\xf6\x69publisher",
            dagcbor.encode(ed25519.public(ADA)),
        ]
        return sealed("announcement", b"".join(parts), ADA)

    good = dagcbor.encode([retract()])
    assert raw_ops(good)[76:] == announcement([retract()], at=AT)[76:]
    spelling = ["not-canonical", "malformed"]
    yield "list-of-indefinite-length", "announcement", raw_ops(b"\x9f" + good[1:] + b"\xff"), spelling
    yield "length-longer-than-needed", "announcement", raw_ops(b"\x98\x01" + good[1:]), spelling
    asset_text, reason = dagcbor.encode(asset(1)), dagcbor.encode("rights")
    swapped = b"\x81\xa1\x67retract\xa2\x66reason" + reason + b"\x65asset" + asset_text
    yield "keys-out-of-order", "announcement", raw_ops(swapped), spelling
    twice = b"\x81\xa1\x67retract\xa3\x65asset" + asset_text + (b"\x66reason" + reason) * 2
    yield "key-twice", "announcement", raw_ops(twice), spelling
    yield "bytes-behind-the-body", "announcement", sealed(
        "announcement", announcement([retract()])[76:] + b"\x00", ADA
    ), spelling
    short_float = b"\x81\xa1\x65later\xf9\x3e\x00"
    yield "float-of-16-bits", "announcement", raw_ops(short_float), spelling
    nan = b"\x81\xa1\x65later\xfb\x7f\xf8" + bytes(6)
    yield "not-a-number", "announcement", raw_ops(nan), spelling
    yield "undefined", "announcement", raw_ops(b"\x81\xa1\x65later\xf7"), spelling
    yield "other-tag", "announcement", raw_ops(b"\x81\xa1\x65later\xc1\x00"), spelling
    huge = b"\x9b" + b"\xff" * 8
    yield "length-of-2-to-the-64", "announcement", raw_ops(huge), spelling
    yield "null-for-an-optional-field", "announcement", announcement(
        [publish(poster=None)]
    ), spelling
    bytes_as_list = announcement([retract()], publisher=list(ed25519.public(ADA)))
    yield "key-as-a-list", "announcement", bytes_as_list, spelling
    deep = []
    for _ in range(16):
        deep = [deep]
    yield "too-deep", "announcement", announcement([{"later": deep}]), ["field"]
    deeper = b"\x81" * 60_000 + b"\x80"
    yield "far-too-deep", "announcement", raw_ops(b"\x81\xa1\x65later" + deeper), spelling


def badly_shaped():
    def one(name, reasons, *ops, **changes):
        return name, "announcement", announcement(list(ops), **changes), reasons

    shape, field = ["malformed"], ["field"]
    yield one("unknown-field", shape, retract(), extra=1)
    yield one("unknown-field-of-an-operation", shape, retract(extra=1))
    yield one("missing-field", shape, {"retract": {"asset": asset(1)}})
    yield one("operation-of-two-kinds", ["malformed", "not-canonical"], {**retract(), **profile()})
    yield one("operation-of-no-kind", ["malformed", "not-canonical"], {})
    yield one("version-2", ["unsupported"], retract(), v=2)
    yield one("version-2-of-another-shape", ["unsupported"], retract(), v=2, extra=1)
    yield one("version-0", ["unsupported"], retract(), v=0)
    yield one("negative-number", shape, retract(), seq=-1, prev=link(1))
    yield one("asset-in-capitals", shape, retract(asset=asset(1).upper()))
    yield one("no-operations", field)
    yield one("too-many-operations", field, *[retract(reason="")] * 1025)
    yield one("first-with-prev", field, retract(), prev=link(1))
    yield one("later-without-prev", field, retract(), seq=1)
    yield one("prev-of-another-codec", field, retract(), seq=1, prev=Link(root(1)))
    yield one("number-above-2-to-the-53", field, retract(), at=2**53)
    yield one("snapshot-of-itself", field, snapshot(seq=1), seq=1, prev=link(1))
    yield one("unknown-kind-misspelt", field, {"Later": {}})
    for name, changes in {
        "root-of-another-codec": {"root": bytes(link(1))},
        "root-with-more-behind": {"root": root(1) + b"\x00"},
        "title-empty": {"title": ""},
        "title-too-long": {"title": "x" * 201},
        "description-too-long": {"description": "x" * 10_001},
        "tag-empty": {"tags": [""]},
        "tags-too-many": {"tags": ["x"] * 21},
        "path-outside": {"renditions": [sound(path="../audio")]},
        "path-absolute": {"renditions": [sound(path="/audio")]},
        "path-with-backslash": {"renditions": [sound(path="a\\b")]},
        "paths-equal": {"renditions": [sound(), sound(name="other")]},
        "sound-with-width": {"renditions": [sound(width=1, height=1)]},
        "video-without-height": {"renditions": [{**sound(), "kind": "video", "width": 1}]},
        "video-of-no-width": {"renditions": [video(width=0)]},
        "poster-empty": {"poster": ""},
        "language-too-short": {"language": "d"},
        "min-above-max": {"replication": {"min": 3, "max": 2}},
        "copies-too-many": {"replication": {"min": 0, "max": 1001}},
    }.items():
        yield one(name, field, publish(**changes))
    yield one("web-of-another-scheme", field, profile(web="javascript:alert(1)"))
    yield one("node-without-peer", field, profile(nodes=["/ip4/192.0.2.1/tcp/4747"]))


def other_kinds():
    yield "empty", "announcement", b"", ["not-an-envelope"]
    yield "text", "announcement", b"hello", ["not-an-envelope"]
    cut = announcement([retract()])[:70]
    yield "cut-in-the-signature", "announcement", cut, ["not-an-envelope"]
    yield "of-64-kib-and-a-byte", "announcement", at_limit((64 << 10) + 1), ["too-large"]
    ada = ed25519.public(ADA)
    unfollow = {"unfollow": {"publisher": ada}}
    as_announcement = dagcbor.encode(
        {"v": 1, "node": ed25519.public(NODE), "at": AT, "says": unfollow}
    )
    yield "notice-signed-as-announcement", "notice", sealed(
        "announcement", as_announcement, NODE
    ), ["signature"]
    yield "notice-of-an-unknown-kind", "notice", notice({"later": {}}), ["malformed"]
    for name, says in {
        "notice-on-no-day": {"views": about_asset(day="2023-02-29", count=1)},
        "notice-day-misspelt": {"views": about_asset(day="2023-2-9", count=1)},
        "notice-of-no-renditions": {"replica": copy(renditions=[], until=AT)},
    }.items():
        yield name, "notice", notice(says), ["field"]
    small = {"unfollow": {"publisher": bytes(32)}}
    yield "notice-about-a-small-order-key", "notice", notice(small), ["signer"]
    lists = {
        "blocklist-out-of-order": [blocked("node", NODE), blocked()],
        "blocklist-entry-twice": [blocked(), blocked()],
        "blocklist-entry-of-both": [{**blocked(), **blocked("node")}],
        "blocklist-entry-of-neither": [{"reason": ""}],
        "blocklist-reason-too-long": [blocked(reason="x" * 201)],
    }
    for name, entries in lists.items():
        yield name, "blocklist", block_list(entries), ["field"]
    segments = {
        "segment-out-of-order": [entry(retract(2)), entry(retract(1))],
        "segment-asset-twice": [entry(retract(1)), entry(publish(1))],
        "segment-profile-behind-asset": [entry(retract(1)), entry(profile())],
        "segment-with-snapshot": [entry(snapshot())],
    }
    for name, entries in segments.items():
        yield name, "segment", segment(entries), ["field"]


def write(folder, valid, refused):
    """Writes vectors, those to be read and those to be refused, and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    index = []
    for name, kind, data in valid:
        (folder / f"{name}.dagcbor").write_bytes(data)
        cid = announcements.cid(data).hex()
        index.append({"file": f"{name}.dagcbor", "kind": kind, "valid": True, "cid": cid})
    for name, kind, data, reasons in refused:
        name = f"refused-{name}.dagcbor"
        (folder / name).write_bytes(data)
        index.append({"file": name, "kind": kind, "valid": False, "reasons": reasons})
    lines = ",\n".join("  " + json.dumps(line) for line in index)
    (folder / "index.json").write_text(f"[\n{lines}\n]\n")


def main(folder):
    refused = (badly_signed, badly_spelled, badly_shaped, other_kinds)
    write(folder, valid(), (vector for group in refused for vector in group()))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
