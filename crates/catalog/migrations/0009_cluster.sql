-- The cluster that this node is in, the logs of its members, and what happened.

CREATE TABLE cluster (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    id        BLOB    NOT NULL CHECK (length(id) = 32),
    joined_at INTEGER NOT NULL
) STRICT;

-- Entries as they were signed. Of each author number 0 and all that follow, without gaps.
CREATE TABLE cluster_entries (
    author BLOB    NOT NULL CHECK (length(author) = 32),
    seq    INTEGER NOT NULL,
    cid    BLOB    NOT NULL CHECK (length(cid) = 32),
    entry  BLOB    NOT NULL,
    PRIMARY KEY (author, seq)
) STRICT;

-- For the operator; the oldest go.
CREATE TABLE cluster_events (
    id   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    at   INTEGER NOT NULL,
    kind TEXT    NOT NULL,
    text TEXT    NOT NULL
) STRICT;
