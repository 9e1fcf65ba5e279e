-- Schema 2, first half: first and last name stand beside the name, and a trigger keeps
-- them in step whichever build writes. Builds of both schemas run.
ALTER TABLE orders ADD COLUMN IF NOT EXISTS first_name text, ADD COLUMN IF NOT EXISTS last_name text;

CREATE OR REPLACE FUNCTION orders_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.name IS NULL OR (TG_OP = 'UPDATE' AND NEW.name IS NOT DISTINCT FROM OLD.name AND NEW.first_name IS NOT NULL) THEN
    NEW.name := rtrim(NEW.first_name || ' ' || NEW.last_name);
  ELSE
    NEW.first_name := split_part(NEW.name, ' ', 1);
    NEW.last_name := substr(NEW.name, length(NEW.first_name) + 2);
  END IF;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER orders_names BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION orders_names();
