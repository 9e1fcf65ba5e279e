-- Schema 2, second half: what only builds of schema 1 need goes. They do not run any more.
DROP TRIGGER IF EXISTS orders_names ON orders;
DROP FUNCTION IF EXISTS orders_names();
ALTER TABLE orders DROP COLUMN IF EXISTS name, ALTER COLUMN first_name SET NOT NULL, ALTER COLUMN last_name SET NOT NULL;
