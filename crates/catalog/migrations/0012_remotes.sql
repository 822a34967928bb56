-- Pins of this node at remote pinning services. Times are milliseconds since the Unix epoch.

-- One row for each service and root, wanted by hand (`by_hand`), for an asset, or both; for neither
-- it is `unpinning`. `audience` is who may have the blocks there. `request` is what the service calls
-- it, `since` when it was asked for, and `next_at` when the service is asked next: NULL means never
-- again by itself.
CREATE TABLE remote_pins (
    id       INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    service  TEXT    NOT NULL,
    cid      TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    audience TEXT    NOT NULL,
    by_hand  INTEGER NOT NULL CHECK (by_hand IN (0, 1)),
    asset    TEXT,
    state    TEXT    NOT NULL CHECK (state IN (
                 'queued', 'pinning', 'pinned', 'error', 'unpinning')),
    request  TEXT,
    error    TEXT,
    failures INTEGER NOT NULL DEFAULT 0,
    since    INTEGER NOT NULL,
    next_at  INTEGER,
    UNIQUE (service, cid),
    CHECK (state = 'unpinning' OR by_hand = 1 OR asset IS NOT NULL)
) STRICT;

CREATE INDEX remote_pins_by_cid ON remote_pins (cid);
CREATE INDEX remote_pins_due ON remote_pins (service, next_at) WHERE next_at IS NOT NULL;
