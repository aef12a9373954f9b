-- Who is booking which slot at this moment. A hold stands before the write to the calendar, so that two callers
-- who want one slot do not both get as far as the CRM. It expires by itself when its owner dies.
create table slot_holds (
  client_id uuid not null references clients on delete cascade,
  calendar_id text not null,
  start_at timestamptz not null,
  contact_id text not null,
  -- one attempt at booking: only it may release what it took
  owner uuid not null,
  -- set once the appointment stands; the hold then stays until it expires, for lists of slots read before
  appointment_id text,
  expires_at timestamptz not null,
  primary key (client_id, calendar_id, start_at)
);

create index idx_slot_holds_expiry on slot_holds (client_id, expires_at);

-- One row for each tool call that may write: whoever makes the row runs the tool, a repetition waits for the
-- answer and gives the same one. Kept for a day; what became of the call is in call_events.
create table tool_runs (
  client_id uuid not null references clients on delete cascade,
  vapi_call_id text not null,
  tool_call_id text not null,
  owner uuid not null,
  claimed_until timestamptz not null,
  answer jsonb,
  -- false while the answer is missing, or is a failure that may pass
  final boolean not null default false,
  primary key (client_id, vapi_call_id, tool_call_id)
);

create index idx_tool_runs_expiry on tool_runs (client_id, claimed_until);
