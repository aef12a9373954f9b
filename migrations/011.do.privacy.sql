-- What callers have a right to: to be asked, to be forgotten after a time, and to be forgotten at once.

-- What a caller was told or asked about the recording, and said: kind (announce or ask), wording, at, and of an
-- answer granted. Null: nothing was recorded, or the call is older than this.
alter table voice_sessions add column consent jsonb;
comment on column voice_sessions.consent_recorded is 'the caller was asked whether the call may be recorded, and said yes';

-- Of two things known of one call: that it was asked goes before that it was announced, an answer before none, and a
-- no before a yes, whichever came first.
create function consent_rank(consent jsonb) returns integer
  language sql immutable parallel safe
return case
  when consent is null then 0
  when consent ->> 'kind' is distinct from 'ask' then 1
  when consent -> 'granted' is null then 2
  when consent ->> 'granted' = 'true' then 3
  else 4
end;

create function merge_consent(a jsonb, b jsonb) returns jsonb
  language sql immutable parallel safe
return case
  when consent_rank(a) <> consent_rank(b) then case when consent_rank(a) > consent_rank(b) then a else b end
  -- The same twice: as it was the first time.
  when a ->> 'at' is distinct from b ->> 'at' then case when a ->> 'at' < b ->> 'at' then a else b end
  else least(a, b)
end;

-- Whether what was said in a call must not be kept.
create function words_withheld(consent jsonb) returns boolean
  language sql immutable parallel safe
return consent_rank(consent) in (2, 4);

-- Of the facts of calls, events and steps, those that hold what was said, or by whom.
create function has_words(facts jsonb) returns boolean
  language sql immutable parallel safe
return facts ?| array['structuredData', 'successEvaluation', 'arguments', 'output', 'said', 'caller'];

create function without_words(facts jsonb) returns jsonb
  language sql immutable parallel safe
return facts - array['structuredData', 'successEvaluation', 'arguments', 'output', 'said', 'caller'];

-- Erasures: those somebody has asked for, and those of calls whose recording was not agreed to, which VAPI has all
-- the same. A row is the receipt: counts and times, and nobody's data. `subject` says whose data it is about and
-- goes as soon as the rows have gone.
create table erasures (
  client_id uuid not null references clients on delete cascade,
  id uuid not null default gen_random_uuid(),
  reason text not null,
  subject jsonb,
  requested_at timestamptz not null default now(),
  -- rows that were deleted, by table
  rows_erased jsonb not null default '{}',
  -- copies elsewhere that were deleted, by system
  copies_erased jsonb not null default '{}',
  done_at timestamptz,
  primary key (client_id, id)
);

call protect_client_rows('erasures');

-- Copies that are still elsewhere: in the queue, in the CRM, at VAPI. A row goes with its copy.
create table erasure_copies (
  client_id uuid not null,
  erasure_id uuid not null,
  id bigint generated always as identity,
  system text not null,
  session_id uuid,
  vapi_call_id text,
  contact_id text,
  note_id text,
  -- somebody may be writing the copy at this moment, and is done by then
  not_before timestamptz not null default now(),
  -- why it is still there
  failure text,
  primary key (client_id, erasure_id, id),
  foreign key (client_id, erasure_id) references erasures on delete cascade
);

call protect_client_rows('erasure_copies');

-- Calls that were erased, by what nobody can read the call from: what is told of one later is not taken in.
create table erased_calls (
  client_id uuid not null references clients on delete cascade,
  call_mark bytea not null,
  primary key (client_id, call_mark)
);

call protect_client_rows('erased_calls');

-- VAPI's ids are random, so a hash without a key gives nothing away.
create function call_mark(vapi_call_id text) returns bytea
  language sql immutable parallel safe
return sha256(convert_to(vapi_call_id, 'UTF8'));

-- To be asked before a row about a call is written. An erasure locks its calls for itself until its marks are
-- committed; whoever asks meanwhile waits for it, and then sees them, since a volatile function looks anew.
create function is_erased(client uuid, call text) returns boolean
  language plpgsql volatile
as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended(call, 0));
  return exists (select from erased_calls where client_id = client and call_mark = call_mark(call));
end
$$;

-- A call without consent holds no words, whoever writes its row, and in whatever order things are told.
create function keep_consent() returns trigger
  language plpgsql
as $$
begin
  if new.consent is not null then new.consent_recorded := consent_rank(new.consent) = 3; end if;
  -- Not on insert: what is proposed here may meet a row whose caller has agreed.
  if tg_op = 'UPDATE' and words_withheld(new.consent) then
    new.transcript := null;
    new.recording_url := null;
    new.summary := null;
    new.context := without_words(new.context);
  end if;
  return new;
end
$$;

create trigger keep_consent
  before insert or update on voice_sessions
  for each row execute function keep_consent();

create function withhold_words() returns trigger
  language plpgsql
as $$
begin
  if tg_op = 'INSERT' then
    update voice_sessions set updated_at = updated_at
    where id = new.id and (num_nonnulls(transcript, recording_url, summary) > 0 or has_words(context));
  end if;
  update call_events set payload = without_words(payload)
  where client_id = new.client_id and vapi_call_id = new.vapi_call_id and type = 'end-of-call-report'
    and has_words(payload);
  if new.reported_at is null then return null; end if;
  -- VAPI has recorded all the same: its copy goes, once.
  with erasure as (
    insert into erasures (client_id, id, reason) values (new.client_id, new.id, 'no consent')
    on conflict do nothing returning client_id, id
  ), copy as (
    insert into erasure_copies (client_id, erasure_id, system, vapi_call_id)
    select client_id, id, 'vapi', new.vapi_call_id from erasure
  )
  insert into outbox (client_id, queue, data)
  select client_id, 'erasure', jsonb_build_object('clientId', client_id, 'erasureId', id) from erasure;
  -- The note in the CRM may have been written before the caller said no.
  if tg_op = 'UPDATE' and not words_withheld(old.consent) then
    insert into outbox (client_id, queue, data)
    values (new.client_id, 'crm-sync', jsonb_build_object('clientId', new.client_id, 'sessionId', new.id));
  end if;
  return null;
end
$$;

create trigger withhold_words
  after insert or update on voice_sessions
  for each row when (words_withheld(new.consent) and new.client_id is not null and new.vapi_call_id is not null)
  execute function withhold_words();

-- Whose calls are erased by number.
create index idx_voice_sessions_caller on voice_sessions (client_id, caller) where caller is not null;

-- What retention has yet to look at. Small: what was stripped of its words is in none of them.
create index idx_voice_sessions_words on voice_sessions (client_id, started_at)
  where num_nonnulls(transcript, recording_url, summary) > 0 or has_words(context);
create index idx_call_events_words on call_events (client_id, received_at) where has_words(payload);
create index idx_call_steps_words on call_steps (client_id, at) where has_words(payload);

-- One row: one instance at a time applies retention, once a day.
create table retention (
  id boolean primary key default true check (id),
  due_at timestamptz not null default now(),
  owner uuid,
  leased_until timestamptz
);

insert into retention default values;
