-- Copies of other publishers' assets here, copies of any asset on other nodes, who has obeyed a
-- retraction, and how often something was watched. Publishers and nodes are their raw keys; times
-- are milliseconds since the Unix epoch.

-- What this node copies. The first columns are what is wanted, those from `state` on how it goes,
-- and `held_…` what is pinned here now: another package than the wanted one while an asset that was
-- announced again is on the way. `renditions` is a JSON array of names; NULL: all of them.
-- `told_until` is until when the publisher's nodes have been told that the copy is here, and
-- `acknowledged` the number of the announcement of a retraction that they were told is obeyed.
CREATE TABLE replicas (
    id              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    publisher       BLOB    NOT NULL CHECK (length(publisher) = 32),
    asset           TEXT    NOT NULL,
    root            TEXT    NOT NULL,
    renditions      TEXT    CHECK (json_valid(renditions)),
    bytes           INTEGER NOT NULL,
    reason          TEXT    NOT NULL,
    place           INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN (
                        'queued', 'pinning', 'pinned', 'error', 'unpinning')),
    done_bytes      INTEGER NOT NULL DEFAULT 0,
    done_blocks     INTEGER NOT NULL DEFAULT 0,
    known_blocks    INTEGER NOT NULL DEFAULT 0,
    error           TEXT,
    failures        INTEGER NOT NULL DEFAULT 0,
    next_at         INTEGER,
    queued_at       INTEGER NOT NULL,
    held_root       TEXT,
    held_renditions TEXT    CHECK (json_valid(held_renditions)),
    held_bytes      INTEGER,
    held_at         INTEGER,
    told_until      INTEGER,
    acknowledged    INTEGER,
    UNIQUE (publisher, asset),
    CHECK ((held_root IS NULL) = (held_bytes IS NULL)),
    CHECK ((held_root IS NULL) = (held_at IS NULL)),
    CHECK (state <> 'pinned' OR held_root = root),
    CHECK (state <> 'error' OR error IS NOT NULL)
) STRICT;

CREATE INDEX replicas_unsettled ON replicas (place, id) WHERE state <> 'pinned';
CREATE INDEX replicas_by_held ON replicas (held_root) WHERE held_root IS NOT NULL;

-- Who said that it has a copy. A row of a copy that was given up (`state`) stays until its older
-- notices have expired, so that they change nothing when somebody sends them again.
CREATE TABLE copies (
    publisher  BLOB    NOT NULL CHECK (length(publisher) = 32),
    asset      TEXT    NOT NULL,
    node       BLOB    NOT NULL CHECK (length(node) = 32),
    root       TEXT    NOT NULL,
    renditions TEXT    CHECK (json_valid(renditions)),
    state      TEXT    NOT NULL,
    until      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    notice     BLOB    NOT NULL,
    PRIMARY KEY (publisher, asset, node)
) STRICT, WITHOUT ROWID;

CREATE INDEX copies_by_node ON copies (node);
CREATE INDEX copies_by_until ON copies (until);

-- What nodes did when a publisher of this node retracted something.
CREATE TABLE acknowledgements (
    publisher BLOB    NOT NULL CHECK (length(publisher) = 32),
    asset     TEXT    NOT NULL,
    node      BLOB    NOT NULL CHECK (length(node) = 32),
    seq       INTEGER NOT NULL,
    outcome   TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    notice    BLOB    NOT NULL,
    PRIMARY KEY (publisher, asset, node)
) STRICT, WITHOUT ROWID;

CREATE INDEX acknowledgements_by_node ON acknowledgements (node);

-- How many rows the two tables have that others fill, kept in the transaction that changes it.
CREATE TABLE notice_usage (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    copies INTEGER NOT NULL,
    acks   INTEGER NOT NULL,
    views  INTEGER NOT NULL
) STRICT;
INSERT INTO notice_usage (one, copies, acks, views) VALUES (1, 0, 0, 0);

CREATE TRIGGER copies_insert AFTER INSERT ON copies BEGIN
    UPDATE notice_usage SET copies = copies + 1;
END;
CREATE TRIGGER copies_delete AFTER DELETE ON copies BEGIN
    UPDATE notice_usage SET copies = copies - 1;
END;
CREATE TRIGGER acknowledgements_insert AFTER INSERT ON acknowledgements BEGIN
    UPDATE notice_usage SET acks = acks + 1;
END;
CREATE TRIGGER acknowledgements_delete AFTER DELETE ON acknowledgements BEGIN
    UPDATE notice_usage SET acks = acks - 1;
END;

-- Views by day (days since 1970-01-01, UTC). No viewer leaves a trace: there is only the count.
-- An empty `node` is this one; its counts that are older than what is kept by day are added up
-- under day 0, as are those of others. `told` is how much of a day the publisher was told.
CREATE TABLE views (
    publisher BLOB    NOT NULL CHECK (length(publisher) = 32),
    asset     TEXT    NOT NULL,
    node      BLOB    NOT NULL CHECK (length(node) IN (0, 32)),
    day       INTEGER NOT NULL,
    count     INTEGER NOT NULL CHECK (count >= 0),
    told      INTEGER NOT NULL DEFAULT 0,
    at        INTEGER NOT NULL,
    PRIMARY KEY (publisher, asset, node, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX views_by_node ON views (node, day);

CREATE TRIGGER views_insert AFTER INSERT ON views WHEN length(new.node) > 0 BEGIN
    UPDATE notice_usage SET views = views + 1;
END;
CREATE TRIGGER views_delete AFTER DELETE ON views WHEN length(old.node) > 0 BEGIN
    UPDATE notice_usage SET views = views - 1;
END;

-- What the operator of this node removed: it is neither copied nor listed again, whatever is
-- announced.
CREATE TABLE removed (
    publisher BLOB    NOT NULL CHECK (length(publisher) = 32),
    asset     TEXT    NOT NULL,
    root      TEXT,
    reason    TEXT    NOT NULL,
    at        INTEGER NOT NULL,
    PRIMARY KEY (publisher, asset)
) STRICT, WITHOUT ROWID;

CREATE INDEX removed_by_root ON removed (root) WHERE root IS NOT NULL;
