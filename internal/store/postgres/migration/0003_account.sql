-- Whose work a row is: keys begin with a repository, and a repository's with its account; '' is relbot's own.
ALTER TABLE work ADD COLUMN account TEXT GENERATED ALWAYS AS (substr(key, 1, greatest(strpos(key, '/') - 1, 0))) STORED;
CREATE INDEX work_account ON work (account, run_at, kind, key) WHERE want > done AND stuck = 0;
CREATE INDEX work_waits ON work (lane, kind, run_at, key) WHERE want > done AND stuck = 0;
DROP INDEX work_due;
