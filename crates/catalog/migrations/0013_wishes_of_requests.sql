-- Pins that others asked for (`psa_pins`) are put into the pinset of a cluster too: `wisher` is an
-- asset's id, or `psa/` and a request's.

ALTER TABLE cluster_wishes RENAME COLUMN asset TO wisher;
