-- Whom this node follows, who follows it, whom it trusts, and what it still has to tell others.
-- Publishers are written as their IPNS names (k51…), nodes as their peer ids (12D3Koo…).

-- Somebody who is followed. `target` is what the operator gave; `publisher`, `name` and `nodes` are
-- what it led to. `offered` is another publisher that the target has led to since.
-- `next_at` is when the target is looked at again; NULL when there is nothing to look up.
-- `told_at` is when the publisher's nodes were last told of the follow.
CREATE TABLE follows (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    target       TEXT    NOT NULL UNIQUE,
    origin       TEXT    NOT NULL,
    replicate    TEXT    NOT NULL,
    renditions   TEXT    NOT NULL CHECK (json_valid(renditions)),
    strategy     TEXT    NOT NULL,
    min_lifetime INTEGER NOT NULL,
    publisher    TEXT,
    offered      TEXT,
    name         TEXT    NOT NULL DEFAULT '',
    nodes        TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(nodes)),
    failures     INTEGER NOT NULL DEFAULT 0,
    error        TEXT,
    resolved_at  INTEGER,
    next_at      INTEGER,
    told_at      INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX follows_by_publisher ON follows (publisher) WHERE publisher IS NOT NULL;
CREATE INDEX follows_by_next ON follows (next_at) WHERE next_at IS NOT NULL;

-- Nodes that said that they follow a publisher of this node. A row of a node that left stays for a
-- while, so that its older notices, sent again by somebody, change nothing.
CREATE TABLE followers (
    node       TEXT    NOT NULL,
    publisher  TEXT    NOT NULL,
    by         TEXT,
    state      TEXT    NOT NULL,
    at         INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (node, publisher)
) STRICT, WITHOUT ROWID;

CREATE INDEX followers_by_seen ON followers (state, last_seen);

-- What peers and publishers have earned by what they delivered; at 0 they are revoked.
CREATE TABLE scores (
    kind       TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    score      INTEGER NOT NULL,
    delivered  INTEGER NOT NULL DEFAULT 0,
    failed     INTEGER NOT NULL DEFAULT 0,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (kind, subject),
    CHECK (score BETWEEN 0 AND 1000)
) STRICT, WITHOUT ROWID;

CREATE INDEX scores_by_change ON scores (kind, changed_at);
CREATE INDEX scores_revoked ON scores (kind, subject) WHERE score = 0;

-- Why: the last few changes of each.
CREATE TABLE score_events (
    id      INTEGER NOT NULL PRIMARY KEY,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    score   INTEGER NOT NULL,
    why     TEXT    NOT NULL,
    FOREIGN KEY (kind, subject) REFERENCES scores (kind, subject) ON DELETE CASCADE
) STRICT;

CREATE INDEX score_events_by_subject ON score_events (kind, subject, id);

-- Signed block lists of others. `bytes` is the list as its publisher signed it.
-- `next_at` is when the publisher is asked for a newer one; NULL for a list from a file.
CREATE TABLE block_lists (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    publisher   TEXT    NOT NULL,
    title       TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    bytes       BLOB    NOT NULL,
    imported_at INTEGER NOT NULL,
    failures    INTEGER NOT NULL DEFAULT 0,
    error       TEXT,
    next_at     INTEGER,
    UNIQUE (publisher, title)
) STRICT;

-- The operator's own block list, as it was signed last for others to have.
CREATE TABLE shared_block_list (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    publisher TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    bytes     BLOB    NOT NULL
) STRICT;

-- Who is blocked, and by which list; without a list it is the operator's own word.
CREATE TABLE blocked (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    list    INTEGER REFERENCES block_lists (id) ON DELETE CASCADE,
    reason  TEXT    NOT NULL,
    fate    TEXT,
    at      INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX blocked_once ON blocked (kind, subject, ifnull(list, 0));
CREATE INDEX blocked_by_list ON blocked (list) WHERE list IS NOT NULL;

-- Whom the operator let in again although a list blocks them.
CREATE TABLE unblocked (
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

-- Publishers that are refused and whose assets are therefore neither listed nor found: bit 2 of
-- `hidden` in `announced` and `tombstones`. Bit 1 is the operator's removal of one asset.
CREATE TABLE hidden_publishers (
    publisher TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Notices to other nodes that have not arrived. A newer notice about the same thing (`about`)
-- replaces an older one. Without a `next_at` it was given up.
CREATE TABLE deliveries (
    id         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    node       TEXT    NOT NULL,
    addresses  TEXT    NOT NULL CHECK (json_valid(addresses)),
    about      TEXT    NOT NULL,
    notice     BLOB    NOT NULL,
    failures   INTEGER NOT NULL DEFAULT 0,
    error      TEXT,
    next_at    INTEGER,
    created_at INTEGER NOT NULL,
    UNIQUE (node, about)
) STRICT;

CREATE INDEX deliveries_by_next ON deliveries (next_at) WHERE next_at IS NOT NULL;

-- Nodes of the network that were named by bootstrap peers or met, so that a restart finds the
-- network again without them.
CREATE TABLE known_nodes (
    node      TEXT    NOT NULL PRIMARY KEY,
    addresses TEXT    NOT NULL CHECK (json_valid(addresses)),
    source    TEXT    NOT NULL,
    seen_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX known_nodes_by_seen ON known_nodes (seen_at);
