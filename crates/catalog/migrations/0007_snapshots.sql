-- Snapshots that are here, and what a process that ended too early would leave behind.

-- The snapshot of a feed whose segments are in the store, pinned. It stays until a newer one is
-- here whole: that one may never come. `announced_in` is the announcement that names it.
CREATE TABLE held_snapshots (
    publisher    INTEGER NOT NULL PRIMARY KEY REFERENCES publishers (id) ON DELETE CASCADE,
    seq          INTEGER NOT NULL,
    announced_in INTEGER NOT NULL,
    cid          BLOB    NOT NULL CHECK (length(cid) = 32),
    segments     BLOB    NOT NULL,
    bytes        INTEGER NOT NULL
) STRICT;

INSERT INTO held_snapshots (publisher, seq, announced_in, cid, segments, bytes)
SELECT publisher, seq, announced_in, cid, segments, bytes FROM snapshots WHERE loaded = 1;

-- What is left is the newest one that was announced.
ALTER TABLE snapshots DROP COLUMN bytes;
ALTER TABLE snapshots DROP COLUMN loaded;

-- The announcement that a publisher's profile is from: a snapshot says so. Profiles from before
-- this table have none.
CREATE TABLE profiled (
    publisher INTEGER NOT NULL PRIMARY KEY REFERENCES publishers (id) ON DELETE CASCADE,
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL
) STRICT;

-- Feeds of which more blocks may be pinned than rows need: noted before, forgotten after the store
-- was told.
CREATE TABLE untidy_feeds (
    key BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 32)
) STRICT, WITHOUT ROWID;

-- Publishers that a follow has ended for, until it was decided what becomes of their feeds.
CREATE TABLE unfollowed (
    publisher TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TRIGGER follows_ended AFTER DELETE ON follows WHEN old.publisher IS NOT NULL BEGIN
    INSERT OR IGNORE INTO unfollowed (publisher) VALUES (old.publisher);
END;
CREATE TRIGGER follows_moved AFTER UPDATE OF publisher ON follows
WHEN old.publisher IS NOT NULL AND old.publisher IS NOT new.publisher BEGIN
    INSERT OR IGNORE INTO unfollowed (publisher) VALUES (old.publisher);
END;

-- Why an asset is about to be retracted, until it was announced.
CREATE TABLE retract_reasons (
    id     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    asset  TEXT    NOT NULL UNIQUE,
    reason TEXT    NOT NULL
) STRICT;
