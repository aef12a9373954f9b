-- A call's session, event and work are one statement, which is run for each message of each call. Most of what it cost
-- was not its work but what PostgreSQL prepared for it each time: this makes that less, and changes no outcome.

-- In PL/pgSQL, whose plans are kept for the connection. As SQL they were taken into the statement, whose `on conflict`
-- is prepared at each insert though few meet one, or, where they hold a query, planned anew at each call.
create or replace function merge_facts(a jsonb, b jsonb) returns jsonb
  language plpgsql immutable parallel safe
as $$
begin
  -- Most messages say nothing new of this kind.
  if b is null or b = '{}' then return coalesce(a, '{}'); end if;
  if a is null or a = '{}' or a = b then return b; end if;
  return (
    select jsonb_object_agg(key, value)
    from (
      select distinct on (key) key, value
      from (select * from jsonb_each(a) union all select * from jsonb_each(b)) facts
      order by key, value desc
    ) chosen
  );
end
$$;

create or replace function fuller_text(a text, b text) returns text
  language plpgsql immutable parallel safe
as $$
begin
  return case
    when a is null or length(b) > length(a) then b
    when b is null or length(a) > length(b) then a
    else greatest(a, b)
  end;
end
$$;

create or replace function call_status_rank(status text) returns integer
  language plpgsql immutable parallel safe
as $$
begin
  return coalesce(array_position(array['scheduled', 'queued', 'ringing', 'in-progress', 'forwarding', 'ended'], status), 0);
end
$$;

create or replace function merge_consent(a jsonb, b jsonb) returns jsonb
  language plpgsql immutable parallel safe
as $$
begin
  return case
    when consent_rank(a) <> consent_rank(b) then case when consent_rank(a) > consent_rank(b) then a else b end
    -- The same twice: as it was the first time.
    when a ->> 'at' is distinct from b ->> 'at' then case when a ->> 'at' < b ->> 'at' then a else b end
    else least(a, b)
  end;
end
$$;

-- A trigger's condition is read and planned anew by each statement: so it is as short as can be, and the function
-- decides. Where nothing is known of a consent, both have nothing to do.
create or replace trigger keep_consent
  before insert or update on voice_sessions
  for each row when (new.consent is not null)
  execute function keep_consent();

create or replace function withhold_words() returns trigger
  language plpgsql
as $$
begin
  if not words_withheld(new.consent) or new.client_id is null or new.vapi_call_id is null then return null; end if;
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

create or replace trigger withhold_words
  after insert or update on voice_sessions
  for each row when (new.consent is not null)
  execute function withhold_words();
