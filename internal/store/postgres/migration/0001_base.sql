-- Times are Unix milliseconds; 0 and '' stand for none.
CREATE TABLE delivery (
    id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    guid     TEXT   NOT NULL UNIQUE,
    event    TEXT   NOT NULL,
    received BIGINT NOT NULL,
    payload  BYTEA  NOT NULL -- zstd
);

CREATE TABLE work (
    kind       TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    lane       TEXT    NOT NULL,
    want       BIGINT NOT NULL,
    done       BIGINT NOT NULL,
    run_at     BIGINT NOT NULL,
    data       BYTEA   NOT NULL,
    guid       TEXT    NOT NULL, -- of the delivery that queued it last
    owner      TEXT    NOT NULL,
    lease      BIGINT NOT NULL, -- until when; 0 is free
    attempt    BIGINT NOT NULL,
    since      BIGINT NOT NULL, -- first of the failures in a row
    error      TEXT    NOT NULL,
    stuck      BIGINT NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE INDEX work_due ON work (run_at) WHERE want > done AND stuck = 0;
CREATE INDEX work_lane ON work (lane) WHERE lease > 0;
CREATE INDEX work_guid ON work (guid) WHERE stuck = 1;

CREATE TABLE periodic (
    name TEXT    NOT NULL,
    slot BIGINT NOT NULL,
    PRIMARY KEY (name, slot)
);

CREATE TABLE document (
    kind    TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    rev     BIGINT NOT NULL,
    body    BYTEA   NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE audit (
    seq    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at     BIGINT NOT NULL,
    repo   TEXT    NOT NULL,
    pull   BIGINT NOT NULL,
    actor  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    detail TEXT    NOT NULL,
    key    TEXT    NOT NULL UNIQUE
);

-- Payloads are compressed already.
ALTER TABLE delivery ALTER COLUMN payload SET STORAGE EXTERNAL;
