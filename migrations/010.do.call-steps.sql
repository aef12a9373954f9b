-- What this server did about a call, beside what it was told of it (call_events): for whoever asks later why a call
-- went as it did. Kept as long as the call.
create table call_steps (
  client_id uuid not null references clients on delete cascade,
  vapi_call_id text not null,
  id bigint generated always as identity,
  -- assistant: somebody answered; crm-sync: one attempt to make the CRM agree
  kind text not null,
  at timestamptz not null default now(),
  payload jsonb not null default '{}',
  primary key (client_id, vapi_call_id, id)
);

call protect_client_rows('call_steps');

-- The assistants that were sent, each version of a client's once; what differs from call to call is in the step.
create table assistants (
  client_id uuid not null references clients on delete cascade,
  digest text not null,
  assistant jsonb not null,
  first_sent_at timestamptz not null default now(),
  primary key (client_id, digest)
);

call protect_client_rows('assistants');

-- Calls that go on, which are counted again and again.
create index idx_voice_sessions_live on voice_sessions (client_id, started_at)
  where ended_at is null and reported_at is null;
