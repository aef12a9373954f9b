-- Tokens of clients who have installed the agency's marketplace app. A client without a row uses clients.ghl_token.
-- `version` counts the tokens a client has had: each refresh spends the refresh token before it, so whoever brings
-- new ones says which they replace. Both tokens are sealed.
create table ghl_oauth_tokens (
  client_id uuid primary key references clients on delete cascade,
  access_token text not null,
  refresh_token text not null,
  expires_at timestamptz not null,
  -- Location, or Company where the agency consented and a token for the location is derived from its own.
  user_type text not null,
  company_id text,
  location_id text not null,
  scopes text not null default '',
  version integer not null default 1,
  -- Somebody is fetching new ones, at most until then.
  refreshing_until timestamptz,
  updated_at timestamptz not null default now()
);

call protect_client_rows('ghl_oauth_tokens');

-- GHL refused a client's credential: until it is changed, or retry_at, nothing is sent there for this client.
create table crm_pauses (
  client_id uuid primary key references clients on delete cascade,
  -- Names the credential that was refused and is none itself: another one is not paused.
  credential text not null,
  reason text not null,
  paused_at timestamptz not null default now(),
  retry_at timestamptz
);

call protect_client_rows('crm_pauses');

-- What instances keep in memory of a client's credential is theirs to forget, as with the client itself.
create function announce_credential_change() returns trigger
  language plpgsql
as $$
begin
  perform pg_notify('clients_changed', json_build_object(
    'id', coalesce(new.client_id, old.client_id), 'numbers', '[]'::json, 'removed', false
  )::text);
  return null;
end
$$;

create trigger announce_credential_change
  after insert or delete or update of version on ghl_oauth_tokens
  for each row execute function announce_credential_change();

create trigger announce_credential_change
  after insert or update or delete on crm_pauses
  for each row execute function announce_credential_change();

-- An operator who changes a client has mended it, for all we know: its credential is tried again.
create function end_crm_pause() returns trigger
  language plpgsql
as $$
declare
  before text := coalesce(current_setting('app.client_id', true), '');
begin
  -- Not as an attribute of the function: only a superuser may set a parameter of our own there.
  perform set_config('app.client_id', new.id::text, true);
  delete from crm_pauses where client_id = new.id;
  perform set_config('app.client_id', before, true);
  return null;
end
$$;

create trigger end_crm_pause
  after update on clients
  for each row execute function end_crm_pause();

-- Signs the link with which a client's account is connected.
insert into signing_keys (purpose, secret)
values ('ghl-install', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
