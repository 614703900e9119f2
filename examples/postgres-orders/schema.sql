-- Two organisations, who does what in them, and orders from one to the other. What an order tells whom is in `rule`.

CREATE TABLE organisation (id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE member (
  id           text PRIMARY KEY,
  name         text NOT NULL,
  organisation text NOT NULL REFERENCES organisation,
  role         text NOT NULL
);
CREATE TABLE purchase (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  buyer  text NOT NULL REFERENCES organisation,
  seller text NOT NULL REFERENCES organisation,
  item   text NOT NULL,
  state  text NOT NULL DEFAULT 'placed' CHECK (state IN ('placed', 'paid', 'shipped')),
  at     timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE rule (
  id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  state text NOT NULL,
  side  text NOT NULL CHECK (side IN ('buyer', 'seller')),
  role  text NOT NULL,
  alert text NOT NULL,
  -- Whether it is their turn now.
  turn  boolean NOT NULL DEFAULT false
);

INSERT INTO organisation VALUES ('acme', 'Acme Bakery'), ('mill', 'Old Mill');
INSERT INTO member VALUES
  ('ann', 'Ann', 'acme', 'buyer'), ('bob', 'Bob', 'acme', 'accounts'),
  ('cem', 'Cem', 'mill', 'sales'), ('dora', 'Dora', 'mill', 'warehouse');
INSERT INTO rule (state, side, role, alert, turn) VALUES
  ('placed', 'buyer', 'accounts', 'ordered %s: please pay', true),
  ('placed', 'seller', 'sales', 'sold %s', false),
  ('paid', 'seller', 'sales', '%s is paid', false),
  ('paid', 'seller', 'warehouse', 'please ship %s', true),
  ('shipped', 'buyer', 'buyer', '%s is on its way', false),
  ('shipped', 'seller', 'sales', '%s has left the house', false);

-- Runs in the transaction of the order: either the order and all of its emits are there, or nothing is.
CREATE FUNCTION purchase_emits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  -- Everybody of both organisations who looks at the orders. Rooms are granted by tokens: see shop.mjs.
  PERFORM userline_outbox_emit(json_build_object(
    'to', json_build_object('rooms', json_build_array('org:' || NEW.buyer, 'org:' || NEW.seller)),
    'event', 'order:changed', 'data', row_to_json(NEW)));

  -- Whose turn it is, by the room of their role; only who is there now.
  PERFORM userline_outbox_emit(json_build_object(
    'to', json_build_object('rooms', json_build_array(
      format('org:%s:role:%s', CASE side WHEN 'buyer' THEN NEW.buyer ELSE NEW.seller END, role))),
    'event', 'order:turn', 'data', json_build_object('id', NEW.id)))
  FROM rule WHERE state = NEW.state AND turn;

  -- Whom it concerns by their role: kept in their inboxes, for all their tabs and for later. With the key it is there once.
  PERFORM userline_outbox_emit(json_build_object(
      'to', json_build_object('users', json_agg(member.id)),
      'event', 'alert', 'store', 'always',
      'data', json_build_object('order', NEW.id, 'text', format(rule.alert, NEW.item))),
    key => format('order-%s-%s-%s', NEW.id, NEW.state, rule.id))
  FROM rule JOIN member USING (role)
  WHERE rule.state = NEW.state
    AND member.organisation = CASE rule.side WHEN 'buyer' THEN NEW.buyer ELSE NEW.seller END
  GROUP BY rule.id, rule.alert;
  RETURN NULL;
END $$;
CREATE TRIGGER purchase_emits AFTER INSERT OR UPDATE OF state ON purchase
  FOR EACH ROW EXECUTE FUNCTION purchase_emits();
