-- Resumable uploads (tus 1.0). The file of an upload is named by its id.
-- `received` is the offset: how many bytes are safely in the file.
-- A finished upload keeps its row until it expires, so that a client that missed the last
-- answer can still learn which asset it made.
CREATE TABLE uploads (
    id         TEXT    NOT NULL PRIMARY KEY,
    filename   TEXT    NOT NULL,
    metadata   TEXT    NOT NULL CHECK (json_valid(metadata)),
    length     INTEGER NOT NULL,
    received   INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    asset      TEXT    REFERENCES assets (id) ON DELETE CASCADE,
    CHECK (received BETWEEN 0 AND length)
) STRICT;

CREATE INDEX uploads_by_expiry ON uploads (expires_at);
CREATE INDEX uploads_by_asset ON uploads (asset) WHERE asset IS NOT NULL;
