"""ed25519 (RFC 8032), with strict verification: one encoding of each point and number, and no
point of small order as key or as R. Slow, and not safe for secrets that matter: for tests."""

import hashlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)


def add(a, b):
    """In extended coordinates (X, Y, Z, T)."""
    x = (a[1] - a[0]) * (b[1] - b[0]) % P
    y = (a[1] + a[0]) * (b[1] + b[0]) % P
    z = 2 * a[3] * b[3] * D % P
    t = 2 * a[2] * b[2] % P
    e, f, g, h = y - x, t - z, t + z, y + x
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, point):
    result = NEUTRAL
    while n:
        if n & 1:
            result = add(result, point)
        point = add(point, point)
        n >>= 1
    return result


def encode(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode(raw):
    """The point, or nothing if `raw` is not the one encoding of a point."""
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_M1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def is_small(point):
    return encode(times(8, point)) == encode(NEUTRAL)


def usable(key):
    """Whether 32 bytes are a public key that may sign."""
    point = decode(key) if len(key) == 32 else None
    return point is not None and not is_small(point)


BASE = decode(((4 * pow(5, P - 2, P)) % P).to_bytes(32, "little"))


def sha512(*parts):
    return hashlib.sha512(b"".join(parts)).digest()


def verify(key, message, signature):
    if len(signature) != 64 or not usable(key):
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    r_point = decode(r)
    if s >= L or r_point is None or is_small(r_point):
        return False
    k = int.from_bytes(sha512(r, key, message), "little") % L
    x, y, z, t = times(k, decode(key))
    return encode(add(times(s, BASE), (-x % P, y, z, -t % P))) == r


def secret(seed):
    digest = sha512(seed)
    return int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254, digest[32:]


def public(seed):
    return encode(times(secret(seed)[0], BASE))


def sign(seed, message):
    a, prefix = secret(seed)
    r = int.from_bytes(sha512(prefix, message), "little") % L
    r_bytes = encode(times(r, BASE))
    k = int.from_bytes(sha512(r_bytes, public(seed), message), "little") % L
    return r_bytes + ((r + k * a) % L).to_bytes(32, "little")
