-- Assets and their jobs: one row is one title and the work that makes it playable.
--
-- `seq` is the order in which assets arrived. Lists page by it: it is unique, never reused
-- (AUTOINCREMENT) and only grows, so an insert can not shift a page that was already read.
-- Times are milliseconds since the Unix epoch. Documents (tags, media, plan) are JSON.
CREATE TABLE assets (
    seq               INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id                TEXT    NOT NULL UNIQUE,
    title             TEXT    NOT NULL,
    description       TEXT    NOT NULL,
    tags              TEXT    NOT NULL CHECK (json_valid(tags)),
    visibility        TEXT    NOT NULL CHECK (visibility IN ('private', 'unlisted', 'public')),
    state             TEXT    NOT NULL CHECK (state IN (
                          'queued', 'probing', 'transcoding', 'packaging', 'pinning', 'ready', 'failed')),
    progress          REAL    NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    speed             REAL,
    failure_code      TEXT,
    failure_title     TEXT,
    failure_detail    TEXT,
    failure_permanent INTEGER,
    attempt           INTEGER NOT NULL DEFAULT 0,
    next_attempt_at   INTEGER,
    source_name       TEXT    NOT NULL,
    source_bytes      INTEGER NOT NULL,
    source_cid        TEXT    NOT NULL,
    media             TEXT,
    plan              TEXT,
    plan_key          TEXT,
    root              TEXT,
    package_bytes     INTEGER,
    created_at        INTEGER NOT NULL,
    updated_at        INTEGER NOT NULL,
    CHECK ((failure_code IS NULL) = (failure_permanent IS NULL)),
    CHECK ((failure_code IS NULL) = (failure_title IS NULL)),
    CHECK ((failure_code IS NULL) = (failure_detail IS NULL)),
    CHECK ((plan IS NULL) = (plan_key IS NULL)),
    CHECK (state <> 'ready' OR root IS NOT NULL),
    CHECK (state <> 'failed' OR failure_code IS NOT NULL)
) STRICT;

-- The few jobs that are not settled, among any number that are.
CREATE INDEX assets_unsettled ON assets (seq) WHERE state NOT IN ('ready', 'failed');
CREATE INDEX assets_by_state ON assets (state);
CREATE INDEX assets_by_source ON assets (source_cid, plan_key);
CREATE INDEX assets_by_root ON assets (root) WHERE root IS NOT NULL;

-- External content: the words are indexed, the text stays in `assets` only. The brackets and
-- quotes of the JSON in `tags` separate words like any other punctuation.
CREATE VIRTUAL TABLE assets_fts USING fts5 (
    title, description, tags,
    content = 'assets', content_rowid = 'seq',
    tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER assets_fts_insert AFTER INSERT ON assets BEGIN
    INSERT INTO assets_fts (rowid, title, description, tags)
    VALUES (new.seq, new.title, new.description, new.tags);
END;

CREATE TRIGGER assets_fts_delete AFTER DELETE ON assets BEGIN
    INSERT INTO assets_fts (assets_fts, rowid, title, description, tags)
    VALUES ('delete', old.seq, old.title, old.description, old.tags);
END;

-- Only when an indexed column is written: progress is saved often.
CREATE TRIGGER assets_fts_update AFTER UPDATE OF title, description, tags ON assets BEGIN
    INSERT INTO assets_fts (assets_fts, rowid, title, description, tags)
    VALUES ('delete', old.seq, old.title, old.description, old.tags);
    INSERT INTO assets_fts (rowid, title, description, tags)
    VALUES (new.seq, new.title, new.description, new.tags);
END;
