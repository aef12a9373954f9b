-- The two tables this product began with, as they are now. Written so that a database of the older server,
-- whose tables have the same names and fewer columns, comes out the same and keeps every row.

create table if not exists clients (
  id uuid primary key default gen_random_uuid(),
  twilio_number text not null
);

alter table clients
  add column if not exists client_name text,
  add column if not exists ghl_token text,
  add column if not exists location_id text,
  add column if not exists calendar_id text,
  add column if not exists timezone text,
  add column if not exists settings jsonb,
  add column if not exists status text,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz;

-- What a row lacks it gets as nothing usable: the client is kept, and named as faulty when it is read.
update clients set client_name = '' where client_name is null;
update clients set twilio_number = 'none ' || id where twilio_number is null;
update clients set ghl_token = '' where ghl_token is null;
update clients set location_id = '' where location_id is null;
update clients set settings = '{}' where settings is null;
update clients set status = 'active' where status is null;
update clients set timezone = 'America/New_York' where timezone is null;
update clients set created_at = coalesce(updated_at, now()) where created_at is null;
update clients set updated_at = created_at where updated_at is null;

alter table clients
  alter column id set default gen_random_uuid(),
  alter column client_name set not null,
  alter column twilio_number set not null,
  alter column ghl_token set not null,
  alter column location_id set not null,
  alter column timezone set default 'America/New_York',
  alter column settings set default '{}',
  alter column settings set not null,
  alter column status set default 'active',
  alter column status set not null,
  alter column created_at set default now(),
  alter column created_at set not null,
  alter column updated_at set default now(),
  alter column updated_at set not null;

-- Numbers are looked up in E.164. Older rows may hold them as they were typed; they are rewritten where that
-- is certain and would not collide with another row. What is left stays as it is and is never matched.
update clients c
set twilio_number = n.e164
from (
  select id,
    case
      when twilio_number !~ '^[-+\d\s().]+$' then null
      when twilio_number ~ '^\s*\+' and length(digits) between 8 and 15 then '+' || digits
      when digits ~ '^[2-9]\d\d[2-9]\d{6}$' then '+1' || digits
      when digits ~ '^1[2-9]\d\d[2-9]\d{6}$' then '+' || digits
    end as e164
  from (select id, twilio_number, regexp_replace(twilio_number, '\D', '', 'g') as digits from clients) typed
) n
where n.id = c.id
  and n.e164 is not null
  and n.e164 <> c.twilio_number
  and not exists (
    select from clients o
    where o.id <> c.id and regexp_replace(o.twilio_number, '\D', '', 'g')
      in (regexp_replace(n.e164, '\D', '', 'g'), regexp_replace(c.twilio_number, '\D', '', 'g'))
  );

create table if not exists voice_sessions (
  id uuid primary key default gen_random_uuid(),
  client_id uuid references clients on delete cascade
);

alter table voice_sessions
  add column if not exists client_id uuid,
  add column if not exists vapi_call_id text,
  add column if not exists caller text,
  add column if not exists called_number text,
  add column if not exists started_at timestamptz,
  add column if not exists ended_at timestamptz,
  add column if not exists consent_recorded boolean,
  add column if not exists recording_url text,
  add column if not exists transcript text,
  add column if not exists summary text,
  add column if not exists context jsonb,
  add column if not exists status text,
  add column if not exists ended_reason text,
  add column if not exists duration_seconds integer,
  add column if not exists cost numeric(12, 6),
  add column if not exists ghl_contact_id text,
  add column if not exists reported_at timestamptz,
  add column if not exists created_at timestamptz,
  add column if not exists updated_at timestamptz;

comment on column voice_sessions.reported_at is
  'when the first end-of-call-report came; empty while only status updates are known';

update voice_sessions set started_at = coalesce(created_at, ended_at, now()) where started_at is null;
update voice_sessions set consent_recorded = false where consent_recorded is null;
update voice_sessions set context = '{}' where context is null;
update voice_sessions set created_at = started_at where created_at is null;
update voice_sessions set updated_at = created_at where updated_at is null;
update voice_sessions set status = 'ended' where status is null and ended_at is not null;

alter table voice_sessions
  alter column id set default gen_random_uuid(),
  alter column started_at set default now(),
  alter column started_at set not null,
  alter column consent_recorded set default false,
  alter column context set default '{}',
  alter column created_at set default now(),
  alter column created_at set not null,
  alter column updated_at set default now(),
  alter column updated_at set not null;

-- The older server wrote a call again at each repetition. The fullest row keeps the call's id, the others
-- stay and name it, so that the unique index below can be made without losing any.
with ranked as (
  select id, vapi_call_id,
    row_number() over (
      partition by vapi_call_id
      order by (transcript is not null) desc, (ended_at is not null) desc, started_at desc, id
    ) as place
  from voice_sessions
  where vapi_call_id is not null
)
update voice_sessions s
set vapi_call_id = null, context = s.context || jsonb_build_object('duplicateOf', r.vapi_call_id)
from ranked r
where r.id = s.id and r.place > 1;

-- The older server may have indexes of these names that are not unique or have fewer columns.
drop index if exists idx_clients_twilio_number, idx_voice_sessions_client_id, idx_voice_sessions_vapi_call_id;
create unique index idx_clients_twilio_number on clients (twilio_number);
create index idx_voice_sessions_client_id on voice_sessions (client_id, started_at desc);
create unique index idx_voice_sessions_vapi_call_id on voice_sessions (vapi_call_id);

do $$
declare
  old record;
begin
  for old in
    select conname from pg_constraint
    where conrelid = 'voice_sessions'::regclass and confrelid = 'clients'::regclass and contype = 'f' and confdeltype <> 'c'
  loop
    execute format('alter table voice_sessions drop constraint %I', old.conname);
  end loop;
  if not exists (
    select from pg_constraint
    where conrelid = 'voice_sessions'::regclass and confrelid = 'clients'::regclass and contype = 'f'
  ) then
    -- Not checked for what is there: rows of clients long gone are kept.
    alter table voice_sessions
      add constraint voice_sessions_client_id_fkey foreign key (client_id) references clients on delete cascade not valid;
  end if;
end
$$;
