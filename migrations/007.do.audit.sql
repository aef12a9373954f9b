-- Who changed what. A row outlives what it is about: subject_id is no foreign key, and the table belongs to the
-- operators and to no client.
create table audit_log (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  -- name of the admin's token, or cli:<user of the machine>
  operator text not null,
  operation text not null,
  -- the client, where it is about one
  subject_id uuid,
  -- names of what changed, and values of what is no secret and no personal data
  details jsonb not null default '{}'
);

create index idx_audit_log_subject on audit_log (subject_id, id desc);

-- With which key a stored secret is sealed (services/secrets.ts): the key's id, or plain, none or unreadable.
create function secret_key(stored text) returns text
  language sql immutable parallel safe
return case
  when stored ~ '^sealed:v1:[0-9a-f]{8}:' then split_part(stored, ':', 3)
  when starts_with(stored, 'sealed:') then 'unreadable'
  when stored = '' then 'none'
  else 'plain'
end;

-- Which keys are in use is asked at each start, and what is on an old one is sealed anew in batches.
create index idx_clients_secret_key on clients (secret_key(ghl_token), id);

-- The list of clients, a page at a time.
create index idx_clients_name on clients (lower(client_name), id);

-- What was done cannot be made undone by whoever gets hold of the server.
do $$
begin
  if exists (select from pg_roles where rolname = 'agent_server') then
    revoke update, delete, truncate on audit_log from agent_server;
  end if;
end
$$;
