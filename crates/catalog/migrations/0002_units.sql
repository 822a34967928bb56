-- Finished units of work, found again by what they were made from: any asset with the same
-- source and the same plan uses them. A row is written only when every block of the unit is on
-- disk, synced and pinned.
CREATE TABLE units (
    seq      INTEGER NOT NULL PRIMARY KEY,
    source   TEXT    NOT NULL,
    plan_key TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    root     TEXT    NOT NULL,
    bytes    INTEGER NOT NULL,
    UNIQUE (source, plan_key, name)
) STRICT;

CREATE TABLE inits (
    unit      INTEGER NOT NULL REFERENCES units (seq) ON DELETE CASCADE,
    rendition TEXT    NOT NULL,
    cid       TEXT    NOT NULL,
    bytes     INTEGER NOT NULL,
    info      TEXT    NOT NULL CHECK (json_valid(info)),
    PRIMARY KEY (unit, rendition)
) STRICT, WITHOUT ROWID;

-- `position` counts from the start of the rendition, not of the unit.
-- `duration` is in ticks of `timescale` per second.
CREATE TABLE segments (
    unit      INTEGER NOT NULL REFERENCES units (seq) ON DELETE CASCADE,
    rendition TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    cid       TEXT    NOT NULL,
    bytes     INTEGER NOT NULL,
    duration  INTEGER NOT NULL,
    timescale INTEGER NOT NULL CHECK (timescale > 0),
    PRIMARY KEY (unit, rendition, position)
) STRICT, WITHOUT ROWID;
