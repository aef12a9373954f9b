-- What belongs to a client is seen under that client's name only. A statement says for whom it runs with
-- set_config('app.client_id', …, true), or, where it is about all clients, with app.all_clients; one that says
-- neither sees nothing. After its transaction a setting is '' and not null on that connection, hence nullif.

-- The role as which the server works. Who owns the tables, and superusers all the more, would see everything.
do $$
begin
  if not exists (select from pg_roles where rolname = 'agent_server') then
    create role agent_server nologin nosuperuser nobypassrls;
  end if;
exception
  -- Made at this moment for another database of the same server …
  when duplicate_object or unique_violation then null;
  -- … or not ours to make: then the tables' owner works under the policies itself, which are forced.
  when insufficient_privilege then raise notice 'the role agent_server could not be made';
end
$$;

create function app_client_id() returns uuid
  language sql stable parallel safe
return nullif(current_setting('app.client_id', true), '')::uuid;

-- Work that is to be queued, committed together with what it is about. It is handed on to the queue in batches.
create table outbox (
  client_id uuid not null references clients on delete cascade,
  id bigint generated always as identity,
  queue text not null,
  data jsonb not null,
  due_at timestamptz not null default now(),
  primary key (client_id, id)
);

-- For this migration and those to come: who may see which rows of a table.
create procedure protect_client_rows(target regclass)
  language plpgsql
as $$
begin
  execute format('alter table %s enable row level security', target);
  execute format('alter table %s force row level security', target);
  execute format(
    'create policy own_client on %s using (client_id = app_client_id() or current_setting(''app.all_clients'', true) = ''on'')',
    target
  );
end
$$;

call protect_client_rows('voice_sessions');
call protect_client_rows('call_events');
call protect_client_rows('crm_syncs');
call protect_client_rows('slot_holds');
call protect_client_rows('tool_runs');
call protect_client_rows('outbox');

do $$
begin
  if not exists (select from pg_roles where rolname = 'agent_server') then return; end if;
  execute format('grant agent_server to %I', current_user);
  execute format('grant usage on schema %I to agent_server', current_schema());
  execute format('grant select, insert, update, delete on all tables in schema %I to agent_server', current_schema());
  execute format('grant usage on all sequences in schema %I to agent_server', current_schema());
  execute format(
    'alter default privileges in schema %I grant select, insert, update, delete on tables to agent_server',
    current_schema()
  );
  execute format('alter default privileges in schema %I grant usage on sequences to agent_server', current_schema());
exception
  when insufficient_privilege then raise notice 'the role agent_server could not be granted';
end
$$;
