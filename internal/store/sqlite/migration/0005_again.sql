-- A row that fails is not tried again before this moment, however often it is called for, in milliseconds since 1970.
ALTER TABLE work ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
