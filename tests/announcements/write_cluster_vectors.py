"""Writes the test vectors of clusters: `python3 write_cluster_vectors.py FOLDER`.

As with `write_vectors.py`, those of a release are never written again.
"""

import pathlib
import sys

import clusters
import dagcbor
import ed25519
from dagcbor import Link
from write_vectors import AT, BEN, NODE, envelope, link, root, write

ADDRESS = "/ip4/192.0.2.1/tcp/4747/p2p/12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"
MEMBER = ed25519.public(BEN)


def sealed(kind, body, seed=NODE, domain=None):
    raw = dagcbor.encode(body)
    domain = clusters.DOMAINS[domain or kind]
    return envelope(ed25519.sign(seed, domain + b"\x00" + raw), raw)


def entry(*ops, seq=1, seed=NODE, domain=None, **changes):
    body = {
        "v": 1,
        "cluster": link(1),
        "author": ed25519.public(seed),
        "seq": seq,
        "prev": None if seq == 0 else link(2),
        "wall": AT,
        "count": 0,
        "ops": list(ops),
    }
    return sealed("entry", {**body, **changes}, seed, domain)


def founding(*more, **changes):
    return entry({"found": {"name": "attics"}}, *more, **{"seq": 0, "cluster": None, **changes})


def settings(**changes):
    plain = {"name": "", "role": "writer", "tags": {}, "weight": 100, "draining": False}
    return {**plain, **changes}


def admit(member=MEMBER, **changes):
    return {"admit": {"member": member, "settings": settings(**changes), "invitation": bytes(16)}}


def pin(leave_out=(), **changes):
    full = {
        "root": root(1),
        "copies": {"min": 2, "max": 3},
        "priority": 128,
        "expires": AT,
        "name": "film",
        "meta": {"asset": "01hf7yat000000000000000001"},
        "spread": "site",
        "origins": [ADDRESS],
        "audience": "members",
    }
    whole = {**full, **changes}
    return {"pin": {name: value for name, value in whole.items() if name not in leave_out}}


def elsewhere(**changes):
    plain = {"root": root(1), "service": "https://pins.example.org/psa", "kept": True}
    return {"elsewhere": {**plain, **changes}}


def heartbeat(seed=NODE, **changes):
    authors = sorted([MEMBER, ed25519.public(NODE)])
    body = {
        "v": 1,
        "cluster": link(1),
        "node": ed25519.public(seed),
        "boot": 1,
        "number": 2,
        "at": AT,
        "capacity": 1 << 40,
        "free": 1 << 39,
        "pins": 3,
        "bytes": 4,
        "changes": 5,
        "tips": [{"author": author, "seq": 6, "cid": link(7)} for author in authors],
        "protocol": 1,
    }
    return sealed("heartbeat", {**body, **changes}, seed)


def invitation(seed=NODE, **changes):
    body = {
        "v": 1,
        "cluster": link(1),
        "inviter": ed25519.public(seed),
        "addresses": [ADDRESS],
        "role": "follower",
        "nonce": bytes(range(16)),
        "until": AT,
    }
    return sealed("invitation", {**body, **changes}, seed)


def valid():
    yield "founding", "entry", founding()
    yield "founding-with-more", "entry", founding(pin())
    yield "admit", "entry", entry(admit(tags={"site": "home"}, name="attic", weight=0))
    follower = {"member": MEMBER, "settings": settings(role="follower", draining=True)}
    yield "settle", "entry", entry({"settle": follower})
    yield "remove", "entry", entry({"remove": {"member": MEMBER, "last": 7}})
    yield "remove-altogether", "entry", entry({"remove": {"member": MEMBER}})
    yield "pin", "entry", entry(pin())
    optional = ("copies", "expires", "name", "spread")
    yield "pin-everywhere", "entry", entry(pin(optional, meta={}, origins=[], audience="anyone"))
    yield "unpin", "entry", entry({"unpin": {"root": root(2)}})
    yield "elsewhere", "entry", entry(elsewhere(), elsewhere(kept=False))
    yield "later-kind", "entry", entry({"later": {"x": [1]}})
    largest = entry(pin(), seq=2**53 - 1, prev=link(3), wall=2**53 - 1, count=2**32 - 1)
    yield "largest-numbers", "entry", largest
    yield "heartbeat", "heartbeat", heartbeat()
    yield "heartbeat-of-nothing", "heartbeat", heartbeat(tips=[], capacity=0, free=0)
    yield "invitation", "invitation", invitation()
    yield "invitation-of-a-writer", "invitation", invitation(role="writer", addresses=[ADDRESS] * 16)


def refused():
    shape, field, signer = ["malformed"], ["field"], ["signer"]
    damaged = bytearray(founding())
    damaged[20] ^= 1
    yield "signature-damaged", "entry", bytes(damaged), ["signature"]
    yield "signed-as-heartbeat", "entry", founding(domain="heartbeat"), ["signature"]
    yield "signed-by-another", "entry", founding(author=MEMBER), ["signature"]
    yield "text", "entry", b"cidcast", ["not-an-envelope"]
    entries = {
        "version-2": (["unsupported"], founding(v=2)),
        "unknown-field": (shape, founding(extra=1)),
        "count-of-33-bits": (shape, entry(pin(), count=2**32)),
        "role-of-no-kind": (shape, entry(admit(role="reader"))),
        "nonce-too-short": (shape, entry({"admit": {**admit()["admit"], "invitation": bytes(15)}})),
        "priority-of-9-bits": (shape, entry(pin(priority=256))),
        "audience-of-no-kind": (shape, entry(pin(audience="writers"))),
        "elsewhere-without-word": (shape, entry({"elsewhere": {"root": root(1), "service": "x"}})),
        "no-operations": (field, entry()),
        "too-many-operations": (field, entry(*[{"unpin": {"root": b""}}] * 513)),
        "first-with-prev": (field, founding(prev=link(1))),
        "later-without-prev": (field, entry(pin(), prev=None)),
        "founding-of-nothing": (field, entry(pin(), seq=0, cluster=None)),
        "founding-second": (field, entry(pin(), {"found": {"name": ""}}, seq=0, cluster=None)),
        "founding-twice": (field, founding({"found": {"name": ""}})),
        "founding-elsewhere": (field, entry({"found": {"name": ""}})),
        "founding-later": (field, founding(seq=1, prev=link(1))),
        "name-too-long": (field, entry(admit(name="x" * 65))),
        "tag-empty": (field, entry(admit(tags={"site": ""}))),
        "tags-too-many": (field, entry(admit(tags={f"t{n}": "x" for n in range(17)}))),
        "weight-too-large": (field, entry(admit(weight=10_001))),
        "copies-none": (field, entry(pin(copies={"min": 0, "max": 1}))),
        "copies-min-above-max": (field, entry(pin(copies={"min": 3, "max": 2}))),
        "copies-too-many": (field, entry(pin(copies={"min": 1, "max": 1001}))),
        "pin-name-empty": (field, entry(pin(name=""))),
        "meta-too-many": (field, entry(pin(meta={f"k{n}": "x" for n in range(33)}))),
        "origin-without-peer": (field, entry(pin(origins=["/ip4/192.0.2.1/tcp/4747"]))),
        "origins-too-many": (field, entry(pin(origins=[ADDRESS] * 21))),
        "service-empty": (field, entry(elsewhere(service=""))),
        "service-too-long": (field, entry(elsewhere(service="x" * 256))),
        "kind-misspelt": (field, entry({"Later": {}})),
        "wall-above-2-to-the-53": (field, entry(pin(), wall=2**53)),
        "member-of-small-order": (signer, entry(admit(member=bytes(32)))),
    }
    for name, (reasons, data) in entries.items():
        yield name, "entry", data, reasons
    authors = sorted([MEMBER, ed25519.public(NODE)], reverse=True)
    backwards = [{"author": author, "seq": 6, "cid": link(7)} for author in authors]
    beats = {
        "heartbeat-tips-out-of-order": heartbeat(tips=backwards),
        "heartbeat-tip-twice": heartbeat(tips=backwards[:1] * 2),
        "heartbeat-number-too-large": heartbeat(number=2**53),
        "heartbeat-of-another-codec": heartbeat(cluster=Link(root(1))),
    }
    for name, data in beats.items():
        yield name, "heartbeat", data, field
    letters = {
        "invitation-to-nowhere": invitation(addresses=[]),
        "invitation-addresses-too-many": invitation(addresses=[ADDRESS] * 17),
        "invitation-until-too-late": invitation(until=2**53),
    }
    for name, data in letters.items():
        yield name, "invitation", data, field
    long = invitation(addresses=[ADDRESS + "x" * 300] * 14)
    yield "invitation-of-more-than-4-kib", "invitation", long, ["too-large"]


def main(folder):
    write(folder, valid(), refused())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
