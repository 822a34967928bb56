"""A second reader of what members of a cluster sign, written from docs/cluster-log-format.md alone.

It shares no code with the Rust crate and needs nothing but Python 3. `check_vectors.py` runs it
over the test vectors.
"""

import re

from announcements import (
    MAX_INTEGER,
    Refused,
    depth,
    integer,
    is_bytes,
    is_integer,
    is_key,
    is_link,
    is_text,
    is_u32,
    link,
    list_of,
    need,
    one_of,
    or_null,
    signed,
    text,
    union,
    usable,
)

DOMAINS = {
    "entry": b"cidcast-cluster-log-v1",
    "heartbeat": b"cidcast-cluster-heartbeat-v1",
    "invitation": b"cidcast-cluster-invitation-v1",
}
LIMITS = {"entry": 64 << 10, "heartbeat": 32 << 10, "invitation": 4 << 10}
SIGNERS = {"entry": "author", "heartbeat": "node", "invitation": "inviter"}


def read(kind, data):
    """The verified content of an entry, a heartbeat or an invitation."""
    if len(data) > LIMITS[kind]:
        raise Refused("too-large")
    body = signed(data, BODIES[kind], SIGNERS[kind], DOMAINS[kind])
    CONTENTS[kind](body)
    return body


# Shapes -----------------------------------------------------------------------------------------


def is_nonce(value):
    return is_bytes(value) and len(value) == 16


def is_bool(value):
    return type(value) is bool


def is_small(bits):
    return lambda value: is_integer(value) and value < 1 << bits


def is_texts(value):
    return isinstance(value, dict) and all(is_text(v) for v in value.values())


SETTINGS = {
    "name": is_text,
    "role": one_of("writer", "follower"),
    "tags": is_texts,
    "weight": is_u32,
    "draining": is_bool,
}
OPS = {
    "found": {"name": is_text},
    "admit": {"member": is_key, "settings": SETTINGS, "invitation": is_nonce},
    "settle": {"member": is_key, "settings": SETTINGS},
    "remove": {"member": is_key, "last?": is_integer},
    "pin": {
        "root": is_bytes,
        "copies?": {"min": is_small(16), "max": is_small(16)},
        "priority": is_small(8),
        "expires?": is_integer,
        "name?": is_text,
        "meta": is_texts,
        "spread?": is_text,
        "origins": list_of(is_text),
        "audience": one_of("members", "anyone"),
    },
    "unpin": {"root": is_bytes},
    "elsewhere": {"root": is_bytes, "service": is_text, "kept": is_bool},
}
BODIES = {
    "entry": {
        "v": is_integer,
        "cluster": or_null(is_link),
        "author": is_key,
        "seq": is_integer,
        "prev": or_null(is_link),
        "wall": is_integer,
        "count": is_u32,
        "ops": list_of(union(OPS, others=True)),
    },
    "heartbeat": {
        "v": is_integer,
        "cluster": is_link,
        "node": is_key,
        "boot": is_integer,
        "number": is_integer,
        "at": is_integer,
        "capacity": is_integer,
        "free": is_integer,
        "pins": is_integer,
        "bytes": is_integer,
        "changes": is_integer,
        "tips": list_of({"author": is_key, "seq": is_integer, "cid": is_link}),
        "protocol": is_u32,
    },
    "invitation": {
        "v": is_integer,
        "cluster": is_link,
        "inviter": is_key,
        "addresses": list_of(is_text),
        "role": one_of("writer", "follower"),
        "nonce": is_nonce,
        "until": is_integer,
    },
}

# Bounds -----------------------------------------------------------------------------------------


def check_entry(body):
    cluster, seq, prev, ops = body["cluster"], body["seq"], body["prev"], body["ops"]
    integer(seq, "seq")
    integer(body["wall"], "wall")
    need((seq == 0) == (prev is None), "prev")
    for name, value in (("prev", prev), ("cluster", cluster)):
        if value is not None:
            link(value, name)
    need(1 <= len(ops) <= 512, "ops")
    founding = [number for number, op in enumerate(ops) if "found" in op]
    need(founding == ([0] if cluster is None else []), "found")
    need(cluster is not None or seq == 0, "found")
    for op in ops:
        check_op(op)


def check_op(op):
    ((kind, content),) = op.items()
    if kind == "found":
        text(content["name"], 64, "name")
    elif kind in ("admit", "settle"):
        usable(content["member"])
        check_settings(content["settings"])
    elif kind == "remove":
        usable(content["member"])
        integer(content.get("last", 0), "last")
    elif kind == "pin":
        check_pin(content)
    elif kind == "unpin":
        root(content["root"])
    elif kind == "elsewhere":
        root(content["root"])
        text(content["service"], 255, "service", 1)
    else:
        need(re.fullmatch("[a-z-]{1,32}", kind) is not None and depth(content) <= 16, "op")


def check_settings(settings):
    text(settings["name"], 64, "name")
    texts(settings["tags"], 16, 64, "tags")
    need(settings["weight"] <= 10_000, "weight")


def check_pin(pin):
    root(pin["root"])
    if "copies" in pin:
        copies = pin["copies"]
        need(1 <= copies["min"] <= copies["max"] <= 1000, "copies")
    integer(pin.get("expires", 0), "expires")
    text(pin.get("name", "x"), 255, "name", 1)
    texts(pin["meta"], 32, 255, "meta")
    text(pin.get("spread", "x"), 64, "spread", 1)
    need(len(pin["origins"]) <= 20, "origins")
    for origin in pin["origins"]:
        address(origin, "origins")


def texts(values, most, longest, field):
    need(len(values) <= most, field)
    for pair in values.items():
        for value in pair:
            text(value, longest, field, 1)


def root(value):
    need(len(value) <= 96, "root")


def address(value, field):
    need(len(value) <= 512 and re.search("/p2p/[1-9A-HJ-NP-Za-km-z]+$", value), field)


def check_heartbeat(body):
    link(body["cluster"], "cluster")
    for name in ("boot", "number", "at", "capacity", "free", "pins", "bytes", "changes"):
        integer(body[name], name)
    tips = body["tips"]
    need(len(tips) <= 256, "tips")
    authors = [tip["author"] for tip in tips]
    need(authors == sorted(set(authors)), "tips")
    for tip in tips:
        usable(tip["author"])
        integer(tip["seq"], "tips")
        link(tip["cid"], "tips")


def check_invitation(body):
    link(body["cluster"], "cluster")
    need(1 <= len(body["addresses"]) <= 16, "addresses")
    for one in body["addresses"]:
        address(one, "addresses")
    need(body["until"] <= MAX_INTEGER, "until")


CONTENTS = {
    "entry": check_entry,
    "heartbeat": check_heartbeat,
    "invitation": check_invitation,
}
