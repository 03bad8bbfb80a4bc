-- Keys are compared by their bytes, so that the index finds those with a prefix.
ALTER TABLE document ALTER COLUMN key TYPE TEXT COLLATE "C";
