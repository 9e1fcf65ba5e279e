-- Orders from before the trigger get their names from it, a thousand at a time so that
-- no row is locked for long.
UPDATE orders SET name = name WHERE id IN (SELECT id FROM orders WHERE first_name IS NULL LIMIT 1000);
