-- The key with which the tokens of calls are signed. To rotate it, insert another row: all instances know it before
-- the first of them signs with it. A row that is deleted is no longer accepted.
insert into signing_keys (purpose, secret)
values ('call-token', replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));

-- Ids of signed webhooks that were answered with success: one that comes again has no effect. Rows are of use for
-- some minutes only, as long as their signature's timestamp would be accepted.
create table webhook_deliveries (
  id text primary key,
  taken_at timestamptz not null default now()
);

create index idx_webhook_deliveries_taken_at on webhook_deliveries (taken_at);
