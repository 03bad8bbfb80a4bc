-- Times are Unix milliseconds; 0 and '' stand for none.
CREATE TABLE delivery (
    id       INTEGER PRIMARY KEY,
    guid     TEXT   NOT NULL UNIQUE,
    event    TEXT   NOT NULL,
    received INTEGER NOT NULL,
    payload  BLOB   NOT NULL -- zstd
) STRICT;

CREATE TABLE work (
    kind       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    lane       TEXT    NOT NULL,
    want       INTEGER NOT NULL,
    done       INTEGER NOT NULL,
    run_at     INTEGER NOT NULL,
    data       BLOB    NOT NULL,
    guid       TEXT    NOT NULL, -- of the delivery that queued it last
    owner      TEXT    NOT NULL,
    lease      INTEGER NOT NULL, -- until when; 0 is free
    attempt    INTEGER NOT NULL,
    since      INTEGER NOT NULL, -- first of the failures in a row
    error      TEXT    NOT NULL,
    stuck      INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT;
CREATE INDEX work_due ON work (run_at) WHERE want > done AND stuck = 0;
CREATE INDEX work_lane ON work (lane) WHERE lease > 0;
CREATE INDEX work_guid ON work (guid) WHERE stuck = 1;

CREATE TABLE periodic (
    name TEXT    NOT NULL,
    slot INTEGER NOT NULL,
    PRIMARY KEY (name, slot)
) STRICT;

CREATE TABLE document (
    kind    TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    rev     INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT;

CREATE TABLE audit (
    seq    INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    repo   TEXT    NOT NULL,
    pull   INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    detail TEXT    NOT NULL,
    key    TEXT    NOT NULL UNIQUE
) STRICT;
