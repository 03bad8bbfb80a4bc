-- When the last run of a row began, in milliseconds since 1970. An event that follows within its window waits for the end of it.
ALTER TABLE work ADD COLUMN ran INTEGER NOT NULL DEFAULT 0;
