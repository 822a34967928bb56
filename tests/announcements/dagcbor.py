"""Canonical DAG-CBOR, and nothing else: what has two spellings is refused.

https://ipld.io/specs/codecs/dag-cbor/spec/
"""

import math
import struct

MAX_DEPTH = 64


class NotCanonical(Exception):
    """DAG-CBOR in another spelling than the canonical one, or CBOR that is no DAG-CBOR."""


class Link(bytes):
    """A CID in its binary form."""


def encode(value):
    if value is None:
        return b"\xf6"
    if value is True:
        return b"\xf5"
    if value is False:
        return b"\xf4"
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, Link):
        return b"\xd8\x2a" + encode(b"\x00" + bytes(value))
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return head(3, len(text)) + text
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(encode(item) for item in value)
    if isinstance(value, dict):
        entries = sorted(((len(k.encode()), k.encode()), v) for k, v in value.items())
        parts = [head(3, length) + key + encode(v) for (length, key), v in entries]
        return head(5, len(value)) + b"".join(parts)
    raise TypeError(type(value))


def head(major, number):
    if number < 24:
        return bytes([major << 5 | number])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | info]) + number.to_bytes(size, "big")
    raise ValueError(number)


def decode(data):
    value, end = item(data, 0, 0)
    if end != len(data):
        raise NotCanonical("bytes behind the end")
    return value


def take(data, at, size):
    # No memory is set aside for a length before the bytes are known to be there.
    if size > len(data) - at:
        raise NotCanonical("cut short")
    return data[at : at + size], at + size


def number(data, at):
    """Major type, argument, and the place behind them."""
    (first,), at = take(data, at, 1)
    major, info = first >> 5, first & 0x1F
    if info < 24:
        return major, info, at
    if info > 27:
        raise NotCanonical("indefinite or reserved length")
    size = 1 << info - 24
    raw, at = take(data, at, size)
    value = int.from_bytes(raw, "big")
    if major != 7 and value < (24 if size == 1 else 1 << 4 * size):
        raise NotCanonical("number longer than needed")
    return major, value, at


def item(data, at, depth):
    if depth > MAX_DEPTH:
        raise NotCanonical("too deep")
    start = at
    major, n, at = number(data, at)
    if major == 0:
        return n, at
    if major == 1:
        return -1 - n, at
    if major == 2:
        return take(data, at, n)
    if major == 3:
        raw, at = take(data, at, n)
        try:
            return raw.decode(), at
        except UnicodeDecodeError:
            raise NotCanonical("text is not UTF-8") from None
    if major == 4:
        values = []
        for _ in range(min(n, len(data) - at + 1)):
            value, at = item(data, at, depth + 1)
            values.append(value)
        return values, at
    if major == 5:
        return entries(data, at, n, depth)
    if major == 6:
        value, at = item(data, at, depth + 1)
        if n != 42 or type(value) is not bytes or value[:1] != b"\x00":
            raise NotCanonical("a tag that is no link")
        return Link(value[1:]), at
    if data[start] in (0xF4, 0xF5, 0xF6):
        return {0xF4: False, 0xF5: True, 0xF6: None}[data[start]], at
    if data[start] == 0xFB:
        value = struct.unpack(">d", n.to_bytes(8, "big"))[0]
        if math.isfinite(value):
            return value, at
    raise NotCanonical("a simple value or float that DAG-CBOR does not have")


def entries(data, at, n, depth):
    found, last = {}, None
    for _ in range(min(n, len(data) - at + 1)):
        key, at = item(data, at, depth + 1)
        if not isinstance(key, str):
            raise NotCanonical("a key that is no text")
        order = (len(key.encode()), key.encode())
        if last is not None and order <= last:
            raise NotCanonical("keys out of order or repeated")
        last = order
        found[key], at = item(data, at, depth + 1)
    return found, at
