-- Pins that others asked for through the IPFS Pinning Service API. Times are milliseconds since the
-- Unix epoch; `created` is unique, so that a client that pages by it misses none.

-- `name_folded` is the name in lower case, as it is searched without regard to case. `origins` is a
-- JSON array of multiaddresses, `meta` a JSON object of strings. A row that is `unpinning` is shown
-- to nobody; with `successor`, its pin is held until that request is pinned or gone, so that no
-- block that both have is deleted in between.
CREATE TABLE psa_pins (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    request     TEXT    NOT NULL UNIQUE,
    cid         TEXT    NOT NULL,
    name        TEXT,
    name_folded TEXT,
    origins     TEXT    NOT NULL CHECK (json_valid(origins)),
    meta        TEXT    NOT NULL CHECK (json_valid(meta)),
    created     INTEGER NOT NULL UNIQUE,
    state       TEXT    NOT NULL CHECK (state IN (
                    'queued', 'pinning', 'pinned', 'failed', 'unpinning')),
    error       TEXT,
    successor   TEXT,
    CHECK ((name IS NULL) = (name_folded IS NULL))
) STRICT;

CREATE INDEX psa_pins_unsettled ON psa_pins (id) WHERE state <> 'pinned';
CREATE INDEX psa_pins_by_cid ON psa_pins (cid);
