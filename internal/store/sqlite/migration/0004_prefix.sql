-- Keys are compared by their bytes here as they are; schemas have one number on both engines, since a backup of one may go to the other.
SELECT 1;
