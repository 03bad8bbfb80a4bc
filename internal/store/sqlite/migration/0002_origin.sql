-- What called for a row of work in the end; 0 and '' stand for none.
ALTER TABLE work ADD COLUMN origin_at    INTEGER NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN origin_event TEXT   NOT NULL DEFAULT '';
ALTER TABLE work ADD COLUMN origin_trace TEXT   NOT NULL DEFAULT '';
