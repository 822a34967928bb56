-- How often this node has started as a member, and where the other members were last found.

ALTER TABLE cluster ADD COLUMN boot INTEGER NOT NULL DEFAULT 0;

-- `addresses` is a JSON array of multiaddresses with /p2p/.
CREATE TABLE cluster_addresses (
    node      TEXT    NOT NULL PRIMARY KEY,
    addresses TEXT    NOT NULL CHECK (json_valid(addresses)),
    seen_at   INTEGER NOT NULL
) STRICT;

-- What this node has put into the pinset for an asset of its own, so that it can take it out again
-- when the asset is gone. An asset that is merely not known here any more has no row: a member that
-- lost its disk takes nothing out.
CREATE TABLE cluster_wishes (
    asset    TEXT NOT NULL PRIMARY KEY,
    root     TEXT NOT NULL,
    title    TEXT NOT NULL,
    audience TEXT NOT NULL CHECK (audience IN ('members', 'anyone'))
) STRICT;

CREATE INDEX cluster_wishes_by_root ON cluster_wishes (root);
