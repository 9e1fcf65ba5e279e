-- Schema 1: the customer's name is one column.
CREATE TABLE IF NOT EXISTS orders (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  total_cents bigint NOT NULL,
  made timestamptz NOT NULL DEFAULT now()
);
