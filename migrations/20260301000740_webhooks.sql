-- What a webhook says, kept small: which repository, which pull request, which branch, which commits. It is a hint: whoever
-- handles it asks the forge. The process that receives one has verified its signature; it says so by app_metadata, as its
-- login alone may.

set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.webhook_deliveries add column repository text;
alter table ops.webhook_deliveries add column action text;
alter table ops.webhook_deliveries add column number bigint;
alter table ops.webhook_deliveries add column branch text;
alter table ops.webhook_deliveries add column before_commit text;
alter table ops.webhook_deliveries add column after_commit text;
alter table ops.webhook_deliveries add column body_sha256 bytea;
alter table ops.webhook_deliveries add constraint webhook_deliveries_lengths check (
  length(repository) between 1 and 1024 and length(action) <= 50 and number > 0 and length(branch) <= 1024
  and length(before_commit) <= 64 and length(after_commit) <= 64 and length(body_sha256) = 32) not valid;
comment on column ops.webhook_deliveries.repository is 'The repository, as host/path in small letters.';
comment on column ops.webhook_deliveries.action is 'What happened to a pull request: opened, synchronized, reopened, closed.';
comment on column ops.webhook_deliveries.number is 'The number of the pull request.';
comment on column ops.webhook_deliveries.branch is 'The branch: of the pull request, or the one that was pushed to.';
comment on column ops.webhook_deliveries.before_commit is 'Where that branch was.';
comment on column ops.webhook_deliveries.after_commit is 'Where that branch is.';
comment on column ops.webhook_deliveries.body_sha256 is 'The sha256 of the body: the same body under another id is a replay.';

create function ops_private.notify_webhooks() returns trigger
language plpgsql set search_path = '' as $$
begin
  perform pg_notify('ops_webhooks', '');
  return null;
end
$$;
comment on function ops_private.notify_webhooks() is 'Trigger: wakes whoever handles webhooks.';
revoke all on function ops_private.notify_webhooks() from public, anon, authenticated, service_role;
create trigger webhook_deliveries_inserted after insert on ops.webhook_deliveries
for each row execute function ops_private.notify_webhooks();

create function ops_private.check_receiver() returns void
language plpgsql stable set search_path = '' as $$
begin
  if (select auth.jwt()) #>> '{app_metadata,wbx_role}' is distinct from 'webhooks' then
    perform ops_private.refuse('42501', 'Forbidden', 'webhooks: only the console receives them');
  end if;
end
$$;
comment on function ops_private.check_receiver() is 'Raises unless the caller is the console as receiver of webhooks: by app_metadata, which only the auth server''s administrator writes.';
revoke all on function ops_private.check_receiver() from public, anon, authenticated, service_role;

create function ops_private.webhook_sources()
returns table (namespace text, name text, project text, url text, secret_ref jsonb)
language plpgsql stable security definer set search_path = '' as $$
begin
  perform ops_private.check_receiver();
  return query select s.namespace, s.name, s.spec ->> 'project', s.spec ->> 'url', s.spec -> 'webhookSecret'
  from ops.sources s where s.deleted_at is null and s.spec ? 'webhookSecret' order by s.namespace, s.name;
end
$$;
comment on function ops_private.webhook_sources() is 'The Sources that take webhooks, and where the secret of each is.';
revoke all on function ops_private.webhook_sources() from public, anon, authenticated, service_role;
grant execute on function ops_private.webhook_sources() to authenticated;

create function ops_private.receive_delivery(told jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  kept boolean;
begin
  perform ops_private.check_receiver();
  delete from ops.webhook_deliveries d where d.received_at < now() - interval '30 days';
  insert into ops.webhook_deliveries
    (forge, delivery_id, event, repository, action, number, branch, before_commit, after_commit, body_sha256)
  values (told ->> 'forge', told ->> 'id', told ->> 'event', told ->> 'repository', told ->> 'action',
    (told ->> 'number')::bigint, told ->> 'branch', told ->> 'before', told ->> 'after', decode(told ->> 'body_sha256', 'hex'))
  on conflict do nothing returning true into kept;
  return coalesce(kept, false);
end
$$;
comment on function ops_private.receive_delivery(jsonb) is 'Keeps a delivery for a month, for whoever handles it; false: it was seen, or its body was.';
revoke all on function ops_private.receive_delivery(jsonb) from public, anon, authenticated, service_role;
grant execute on function ops_private.receive_delivery(jsonb) to authenticated;

-- The doors: they run as whoever calls (decision 055).

create function ops.webhook_sources()
returns table (namespace text, name text, project text, url text, secret_ref jsonb)
language sql stable set search_path = '' as $$ select * from ops_private.webhook_sources() $$;
comment on function ops.webhook_sources() is 'See ops_private.webhook_sources.';
create function ops.receive_delivery(told jsonb) returns boolean
language sql set search_path = '' as $$ select ops_private.receive_delivery(told) $$;
comment on function ops.receive_delivery(jsonb) is 'See ops_private.receive_delivery.';
revoke all on function ops.webhook_sources(), ops.receive_delivery(jsonb) from public, anon, authenticated, service_role;
grant execute on function ops.webhook_sources(), ops.receive_delivery(jsonb) to authenticated;
