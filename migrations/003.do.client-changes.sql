-- Every instance keeps clients in memory; this tells them which ones have changed. A hint only: what is
-- missed ends with the cache's time to live.
create function announce_client_change() returns trigger
  language plpgsql
as $$
begin
  perform pg_notify('clients_changed', json_build_object(
    'id', coalesce(new.id, old.id),
    'numbers', array_remove(array[old.twilio_number, new.twilio_number], null),
    'removed', new.id is null
  )::text);
  return null;
end
$$;

create trigger announce_client_change
  after insert or update or delete on clients
  for each row execute function announce_client_change();

create function touch_updated_at() returns trigger
  language plpgsql
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create trigger touch_updated_at
  before update on clients
  for each row execute function touch_updated_at();
