-- How far VAPI has been asked for calls whose report never came. One row: the work is of all clients together, and
-- of one instance at a time.
create table reconciler (
  id boolean primary key default true check (id),
  -- calls that VAPI changed before this have been looked at; none from before this server was there
  checked_until timestamptz not null default now(),
  due_at timestamptz not null default now(),
  -- who works, and until when that is believed of one who may have died
  owner uuid,
  leased_until timestamptz
);

insert into reconciler default values;
