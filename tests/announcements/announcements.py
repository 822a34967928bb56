"""A second reader of cidcast's announcements, written from docs/announcement-format.md alone.

It shares no code with the Rust crate and needs nothing but Python 3. `check_vectors.py` runs it
over the test vectors.
"""

import hashlib
import re

import dagcbor
import ed25519

VERSION = 1
MAX_INTEGER = 2**53 - 1
DOMAINS = {
    "announcement": b"cidcast-announcement-v1",
    "notice": b"cidcast-notice-v1",
    "blocklist": b"cidcast-blocklist-v1",
}
LIMITS = {
    "announcement": 64 << 10,
    "notice": 4 << 10,
    "blocklist": 1 << 20,
    "segment": 1 << 20,
}
SIGNERS = {"announcement": "publisher", "notice": "node", "blocklist": "publisher"}


class Refused(Exception):
    """Not valid. `reason` is one of the words of the format page."""

    def __init__(self, reason, detail=""):
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


def read(kind, data):
    """The verified content of an announcement, notice, block list or snapshot segment."""
    if len(data) > LIMITS[kind]:
        raise Refused("too-large")
    if kind == "segment":
        body = parse(data)
        fields(body, SEGMENT)
        usable(body["publisher"])
        check_entries(body["entries"])
        return body
    body = signed(data, BODIES[kind], SIGNERS[kind], DOMAINS[kind])
    CONTENTS[kind](body)
    return body


def signed(data, shape, signer, domain):
    """The body of an envelope, of the shape, signed by the key in its field `signer`."""
    signature, raw = split(data)
    body = parse(raw)
    fields(body, shape)
    if not ed25519.verify(usable(body[signer]), domain + b"\x00" + raw, signature):
        raise Refused("signature")
    return body


def cid(data):
    """CIDv1, DAG-CBOR, SHA2-256."""
    return dagcbor.Link(b"\x01\x71\x12\x20" + hashlib.sha256(data).digest())


def split(data):
    head, middle = b"\xa2\x63sig\x58\x40", b"\x64body"
    signature, rest = data[7:71], data[71:]
    if data[:7] != head or len(signature) != 64 or rest[:5] != middle:
        raise Refused("not-an-envelope")
    return signature, rest[5:]


def parse(raw):
    try:
        body = dagcbor.decode(raw)
    except dagcbor.NotCanonical as error:
        raise Refused("not-canonical", error) from None
    if not isinstance(body, dict) or not is_integer(body.get("v")):
        raise Refused("malformed", "no version")
    if body["v"] != VERSION:
        raise Refused("unsupported", body["v"])
    return body


# Shapes: each field's type; a question mark behind the name makes it optional. ------------------


def is_integer(value):
    return type(value) is int and 0 <= value < 2**64


def is_u32(value):
    return type(value) is int and 0 <= value < 2**32


def is_text(value):
    return type(value) is str


def is_bytes(value):
    return type(value) is bytes


def is_key(value):
    return type(value) is bytes and len(value) == 32


def is_link(value):
    return type(value) is dagcbor.Link


def is_asset(value):
    return is_text(value) and re.fullmatch("[0-7][0-9a-hjkmnp-tv-z]{25}", value) is not None


def is_name(value):
    return is_text(value) and re.fullmatch("[a-z0-9_-]{1,32}", value) is not None


def one_of(*words):
    return lambda value: is_text(value) and value in words


def list_of(shape):
    return lambda value: isinstance(value, list) and all(matches(v, shape) for v in value)


def or_null(shape):
    return lambda value: value is None or matches(value, shape)


def matches(value, shape):
    if callable(shape):
        return shape(value)
    if not isinstance(value, dict):
        return False
    required = {name for name in shape if not name.endswith("?")}
    known = {name.rstrip("?"): test for name, test in shape.items()}
    return required <= set(value) <= set(known) and all(
        matches(v, known[name]) for name, v in value.items()
    )


def union(kinds, others):
    def test(value):
        if not isinstance(value, dict) or len(value) != 1:
            return False
        ((kind, content),) = value.items()
        return matches(content, kinds[kind]) if kind in kinds else others

    return test


def fields(value, shape):
    if not matches(value, shape):
        raise Refused("malformed")


RENDITION = {
    "name": is_name,
    "kind": one_of("video", "audio"),
    "width?": is_u32,
    "height?": is_u32,
    "bytes": is_integer,
    "path": is_text,
}
OPS = {
    "publish": {
        "asset": is_asset,
        "root": is_bytes,
        "title": is_text,
        "description": is_text,
        "tags": list_of(is_text),
        "created_at": is_integer,
        "duration_ms": is_integer,
        "bytes": is_integer,
        "renditions": list_of(RENDITION),
        "poster?": is_text,
        "language?": is_text,
        "replication": {"min": is_u32, "max": is_u32},
        "views": one_of("share", "keep"),
    },
    "retract": {"asset": is_asset, "reason": is_text},
    "profile": {
        "name": is_text,
        "about": is_text,
        "nodes": list_of(is_text),
        "web?": is_text,
    },
    "snapshot": {"seq": is_integer, "head": is_link, "segments": list_of(is_link)},
}
OP = union(OPS, others=True)
COPY = {"publisher": is_key, "asset": is_asset, "root": is_bytes}
SAYS = {
    "replica": {**COPY, "renditions?": list_of(is_name), "until": is_integer},
    "replica-withdrawn": COPY,
    "retraction-ack": {
        "publisher": is_key,
        "asset": is_asset,
        "seq": is_integer,
        "outcome": one_of("deleted", "unindexed", "kept"),
    },
    "views": {"publisher": is_key, "asset": is_asset, "day": is_text, "count": is_integer},
    "follow": {"publisher": is_key, "by?": is_key},
    "unfollow": {"publisher": is_key},
}
BODIES = {
    "announcement": {
        "v": is_integer,
        "publisher": is_key,
        "seq": is_integer,
        "prev": or_null(is_link),
        "at": is_integer,
        "ops": list_of(OP),
    },
    "notice": {
        "v": is_integer,
        "node": is_key,
        "at": is_integer,
        "says": union(SAYS, others=False),
    },
    "blocklist": {
        "v": is_integer,
        "publisher": is_key,
        "at": is_integer,
        "title": is_text,
        "entries": list_of({"publisher?": is_key, "node?": is_key, "reason": is_text}),
    },
}
SEGMENT = {
    "v": is_integer,
    "publisher": is_key,
    "entries": list_of({"seq": is_integer, "at": is_integer, "op": OP}),
}

# Bounds -----------------------------------------------------------------------------------------


def need(holds, field):
    if not holds:
        raise Refused("field", field)


def usable(key):
    if not ed25519.usable(key):
        raise Refused("signer")
    return key


def integer(value, field):
    need(value <= MAX_INTEGER, field)


def text(value, longest, field, shortest=0):
    need(shortest <= len(value) <= longest, field)


def root(value):
    need(value[:4] == b"\x01\x70\x12\x20" and len(value) == 36, "root")


def link(value, field):
    need(value[:4] == b"\x01\x71\x12\x20" and len(value) == 36, field)


def path(value, field):
    need(1 <= len(value.encode()) <= 512, field)
    for part in value.split("/"):
        need(part not in ("", ".", "..") and "\\" not in part, field)
        need(not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in part), field)


def visible(value):
    return all(0x21 <= ord(c) <= 0x7E for c in value)


def check_announcement(body):
    seq, prev, ops = body["seq"], body["prev"], body["ops"]
    integer(seq, "seq")
    integer(body["at"], "at")
    need((seq == 0) == (prev is None), "prev")
    if prev is not None:
        link(prev, "prev")
    need(1 <= len(ops) <= 1024, "ops")
    for op in ops:
        check_op(op)
        if "snapshot" in op:
            need(op["snapshot"]["seq"] < seq, "snapshot")


def check_op(op):
    ((kind, content),) = op.items()
    if kind == "publish":
        check_publish(content)
    elif kind == "retract":
        text(content["reason"], 1000, "reason")
    elif kind == "profile":
        check_profile(content)
    elif kind == "snapshot":
        integer(content["seq"], "seq")
        link(content["head"], "head")
        need(len(content["segments"]) <= 1024, "segments")
        for segment in content["segments"]:
            link(segment, "segments")
    else:
        need(re.fullmatch("[a-z-]{1,32}", kind) is not None and depth(content) <= 16, "op")


def depth(value):
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1


def check_publish(asset):
    root(asset["root"])
    text(asset["title"], 200, "title", shortest=1)
    text(asset["description"], 10_000, "description")
    need(len(asset["tags"]) <= 20, "tags")
    for tag in asset["tags"]:
        text(tag, 50, "tags", shortest=1)
    for field in ("created_at", "duration_ms", "bytes"):
        integer(asset[field], field)
    renditions = asset["renditions"]
    need(len(renditions) <= 32, "renditions")
    need(len({r["path"] for r in renditions}) == len(renditions), "renditions")
    for rendition in renditions:
        integer(rendition["bytes"], "bytes")
        path(rendition["path"], "path")
        if rendition["kind"] == "video":
            need(rendition.get("width", 0) > 0 and rendition.get("height", 0) > 0, "width")
        else:
            need("width" not in rendition and "height" not in rendition, "width")
    if "poster" in asset:
        path(asset["poster"], "poster")
    if "language" in asset:
        need(re.fullmatch("[A-Za-z0-9-]{2,35}", asset["language"]) is not None, "language")
    copies = asset["replication"]
    need(copies["min"] <= copies["max"] <= 1000, "replication")


def check_profile(profile):
    text(profile["name"], 100, "name")
    text(profile["about"], 2000, "about")
    need(len(profile["nodes"]) <= 16, "nodes")
    for node in profile["nodes"]:
        need(1 <= len(node.encode()) <= 512 and visible(node), "nodes")
        need(node.startswith("/") and "/p2p/" in node, "nodes")
    if "web" in profile:
        web = profile["web"]
        need(len(web.encode()) <= 512 and visible(web), "web")
        need(re.match("https?://.", web) is not None, "web")


def check_notice(body):
    integer(body["at"], "at")
    ((kind, content),) = body["says"].items()
    usable(content["publisher"])
    if kind in ("replica", "replica-withdrawn"):
        root(content["root"])
    if kind == "replica":
        integer(content["until"], "until")
        need(1 <= len(content.get("renditions", ["all"])) <= 32, "renditions")
    elif kind == "retraction-ack":
        integer(content["seq"], "seq")
    elif kind == "views":
        integer(content["count"], "count")
        need(is_day(content["day"]), "day")
    elif kind == "follow" and "by" in content:
        usable(content["by"])


def is_day(value):
    found = re.fullmatch("([0-9]{4})-([0-9]{2})-([0-9]{2})", value)
    if not found:
        return False
    year, month, day = map(int, found.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return year >= 1970 and 1 <= month <= 12 and 1 <= day <= days[month - 1]


def check_block_list(body):
    integer(body["at"], "at")
    text(body["title"], 100, "title")
    need(len(body["entries"]) <= 10_000, "entries")
    last = None
    for entry in body["entries"]:
        need(("publisher" in entry) != ("node" in entry), "entries")
        key = (0, entry["publisher"]) if "publisher" in entry else (1, entry["node"])
        usable(key[1])
        need(last is None or last < key, "entries")
        last = key
        text(entry["reason"], 200, "reason")


def check_entries(entries):
    last = None
    for entry in entries:
        integer(entry["seq"], "seq")
        integer(entry["at"], "at")
        check_op(entry["op"])
        ((kind, content),) = entry["op"].items()
        need(kind in ("profile", "publish", "retract"), "op")
        subject = (0, "") if kind == "profile" else (1, content["asset"])
        need(last is None or last < subject, "entries")
        last = subject


CONTENTS = {
    "announcement": check_announcement,
    "notice": check_notice,
    "blocklist": check_block_list,
}

# Feeds ------------------------------------------------------------------------------------------


def state(announcements):
    """What a chain of announcements, by their bytes, adds up to: the entries of a snapshot."""
    subjects, prev = {}, None
    for seq, data in enumerate(announcements):
        body = read("announcement", data)
        if (body["seq"], body["prev"]) != (seq, prev):
            raise Refused("chain")
        prev = cid(data)
        for op in body["ops"]:
            ((kind, content),) = op.items()
            if kind == "profile":
                subject = (0, "")
            elif kind in ("publish", "retract"):
                subject = (1, content["asset"])
            else:
                continue
            subjects[subject] = {"seq": seq, "at": body["at"], "op": op}
    return [entry for _, entry in sorted(subjects.items(), key=lambda pair: pair[0])]
