-- Feeds of publishers: what was announced, by whom, and how far each feed is known here.
--
-- A million rows have to fit (design, section 9), so a publisher is a small integer elsewhere and
-- hashes are 32 raw bytes: a root is a CIDv1 of dag-pb and SHA2-256, an announcement one of
-- dag-cbor, and only the digest differs. Times are milliseconds since the Unix epoch.
--
-- `own`: 1, this node signs for it but may be behind; 2, it signs for it and knows its latest number.
-- `have` counts announcements from number 0 on, without a gap; `known` is how many there are as
-- far as a signature proves. `head` is the digest of number `have - 1`.
CREATE TABLE publishers (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    key         BLOB    NOT NULL UNIQUE CHECK (length(key) = 32),
    own         INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1, 2)),
    name        TEXT    NOT NULL DEFAULT '',
    about       TEXT    NOT NULL DEFAULT '',
    nodes       TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(nodes)),
    web         TEXT,
    have        INTEGER NOT NULL DEFAULT 0 CHECK (have >= 0),
    known       INTEGER NOT NULL DEFAULT 0 CHECK (known >= have),
    head        BLOB    CHECK (length(head) = 32),
    assets      INTEGER NOT NULL DEFAULT 0 CHECK (assets >= 0),
    bytes       INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    forked_at   INTEGER,
    announced_at INTEGER,
    recorded_at INTEGER,
    source      TEXT,
    error       TEXT,
    failures    INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER,
    CHECK ((have = 0) = (head IS NULL))
) STRICT;

CREATE INDEX publishers_behind ON publishers (id) WHERE known > have;

-- What all feeds take together, kept in the transaction that changes it.
CREATE TABLE feed_usage (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    bytes      INTEGER NOT NULL CHECK (bytes >= 0),
    publishers INTEGER NOT NULL CHECK (publishers >= 0)
) STRICT;
INSERT INTO feed_usage (one, bytes, publishers) VALUES (1, 0, 0);

CREATE TRIGGER publishers_insert AFTER INSERT ON publishers BEGIN
    UPDATE feed_usage SET publishers = publishers + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER publishers_delete AFTER DELETE ON publishers BEGIN
    UPDATE feed_usage SET publishers = publishers - 1, bytes = bytes - old.bytes;
END;
CREATE TRIGGER publishers_bytes AFTER UPDATE OF bytes ON publishers BEGIN
    UPDATE feed_usage SET bytes = bytes + new.bytes - old.bytes;
END;

-- Announcements whose bytes are blocks of the store; those from before a snapshot are not kept.
CREATE TABLE announcements (
    publisher INTEGER NOT NULL REFERENCES publishers (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    cid       BLOB    NOT NULL CHECK (length(cid) = 32),
    bytes     INTEGER NOT NULL,
    PRIMARY KEY (publisher, seq)
) STRICT, WITHOUT ROWID;

-- The newest snapshot of a feed that was announced: `announced_in` is the announcement that names
-- it, whose bytes are a block of the store. `loaded`: the segments are here as well.
CREATE TABLE snapshots (
    publisher    INTEGER NOT NULL PRIMARY KEY REFERENCES publishers (id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL,
    announced_in INTEGER NOT NULL,
    cid          BLOB    NOT NULL CHECK (length(cid) = 32),
    segments     BLOB    NOT NULL,
    bytes        INTEGER NOT NULL DEFAULT 0,
    loaded       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Assets as their publishers announced them. `id` is the order in which they came to be known
-- here; an asset that is announced again keeps its place. A hidden one was removed by the operator
-- of this node: it is followed, but neither listed nor found.
CREATE TABLE announced (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    publisher   INTEGER NOT NULL REFERENCES publishers (id) ON DELETE CASCADE,
    asset       TEXT    NOT NULL,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    root        BLOB    NOT NULL CHECK (length(root) = 32),
    title       TEXT    NOT NULL,
    description TEXT    NOT NULL,
    tags        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    bytes       INTEGER NOT NULL,
    renditions  TEXT    NOT NULL,
    poster      TEXT,
    language    TEXT,
    copies_min  INTEGER NOT NULL,
    copies_max  INTEGER NOT NULL,
    views       INTEGER NOT NULL,
    hidden      INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX announced_by_asset ON announced (asset, publisher);
CREATE INDEX announced_by_publisher ON announced (publisher);
-- Eight bytes of a hash find it as well as all of them, in a quarter of the room.
CREATE INDEX announced_by_root ON announced (substr(root, 1, 8));

-- Retracted assets: nothing older brings them back.
CREATE TABLE tombstones (
    publisher INTEGER NOT NULL REFERENCES publishers (id) ON DELETE CASCADE,
    asset     TEXT    NOT NULL,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    reason    TEXT    NOT NULL,
    root      BLOB,
    hidden    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (publisher, asset)
) STRICT, WITHOUT ROWID;

-- Assets that this node has announced in its own feed. A publisher whose key moved here has others in
-- its feed: that they are not on this node is no reason to retract them.
CREATE TABLE signed_here (
    asset TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- Two announcements of one publisher that cannot both be: each is signed, so nobody can deny it.
CREATE TABLE forks (
    publisher INTEGER NOT NULL REFERENCES publishers (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    first     BLOB    NOT NULL,
    second    BLOB    NOT NULL,
    seen_at   INTEGER NOT NULL,
    PRIMARY KEY (publisher, seq)
) STRICT;

-- Words only: neither the text nor the places of words are kept a second time. The word index also
-- has beginnings of three to five letters, so that an unfinished word costs no more than a whole one.
-- Marks belong to words: those of Indic scripts are vowels.
CREATE VIRTUAL TABLE announced_fts USING fts5 (
    title, description, tags,
    content = '', contentless_delete = 1, detail = none, prefix = '3 4 5',
    tokenize = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
);

CREATE TRIGGER announced_fts_insert AFTER INSERT ON announced WHEN new.hidden = 0 BEGIN
    INSERT INTO announced_fts (rowid, title, description, tags)
    VALUES (new.id, new.title, new.description, new.tags);
END;

CREATE TRIGGER announced_fts_delete AFTER DELETE ON announced WHEN old.hidden = 0 BEGIN
    DELETE FROM announced_fts WHERE rowid = old.id;
END;

CREATE TRIGGER announced_fts_update AFTER UPDATE OF title, description, tags, hidden ON announced
WHEN old.hidden <> new.hidden OR old.title <> new.title OR old.description <> new.description
    OR old.tags <> new.tags
BEGIN
    DELETE FROM announced_fts WHERE rowid = old.id AND old.hidden = 0;
    INSERT INTO announced_fts (rowid, title, description, tags)
    SELECT new.id, new.title, new.description, new.tags WHERE new.hidden = 0;
END;
