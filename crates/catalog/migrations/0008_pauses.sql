-- What the operator paused stays so over a restart: the transfers of one follow, or all of them.

ALTER TABLE follows ADD COLUMN pace TEXT NOT NULL DEFAULT 'running';

CREATE TABLE replication (
    one  INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    pace TEXT    NOT NULL
) STRICT;
INSERT INTO replication (one, pace) VALUES (1, 'running');
