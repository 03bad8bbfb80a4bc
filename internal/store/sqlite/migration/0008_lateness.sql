-- When a row was queued, in milliseconds since 1970, and what the rows before it have waited for: why a check was late.
ALTER TABLE work ADD COLUMN origin_queued INTEGER NOT NULL DEFAULT 0;
ALTER TABLE work ADD COLUMN origin_waited TEXT NOT NULL DEFAULT '';
