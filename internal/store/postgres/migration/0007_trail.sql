-- What the events that a row answers said, a line each: it must outlive their becoming one run.
ALTER TABLE work ADD COLUMN trail TEXT NOT NULL DEFAULT '';
