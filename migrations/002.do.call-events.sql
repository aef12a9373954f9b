-- What arrived for a call, once. The key is the type with the status or the tool call's id: never a hash of
-- the body, which holds signed addresses that differ from one delivery to the next.
create table call_events (
  client_id uuid not null references clients on delete cascade,
  vapi_call_id text not null,
  event_key text not null,
  type text not null,
  payload jsonb not null default '{}',
  received_at timestamptz not null default now(),
  primary key (client_id, vapi_call_id, event_key)
);

-- How far the CRM has come with a call. One row a call, made by the background half of the sync.
create table crm_syncs (
  client_id uuid not null references clients on delete cascade,
  voice_session_id uuid not null references voice_sessions on delete cascade,
  -- one worker at a time, on whatever instance; expires by itself when the worker dies
  leased_until timestamptz,
  -- set before the note is written: an empty note_id beside it means that the outcome is not known
  note_attempted_at timestamptz,
  note_id text,
  note_digest text,
  synced_at timestamptz,
  primary key (client_id, voice_session_id)
);

-- Keys with which links are signed; the newest signs, all are accepted.
create table signing_keys (
  id integer generated always as identity primary key,
  purpose text not null,
  secret text not null,
  created_at timestamptz not null default now()
);

insert into signing_keys (purpose, secret)
values ('recording-link', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

-- Facts about a call come in any order and more than once. For each key the greater value wins, which is the
-- same whichever came first.
create function merge_facts(a jsonb, b jsonb) returns jsonb
  language sql immutable parallel safe
return (
  select coalesce(jsonb_object_agg(key, value), '{}'::jsonb)
  from (
    select distinct on (key) key, value
    from (select * from jsonb_each(coalesce(a, '{}')) union all select * from jsonb_each(coalesce(b, '{}'))) facts
    order by key, value desc
  ) chosen
);

-- Of two texts about the same thing the longer says more: a second report may be fuller than the first.
create function fuller_text(a text, b text) returns text
  language sql immutable parallel safe
return case
  when a is null or length(b) > length(a) then b
  when b is null or length(a) > length(b) then a
  else greatest(a, b)
end;

-- A call's status only moves forward: what comes late does not reopen it.
create function call_status_rank(status text) returns integer
  language sql immutable parallel safe
return coalesce(array_position(array['scheduled', 'queued', 'ringing', 'in-progress', 'forwarding', 'ended'], status), 0);
