-- Webhooks that people can look at (decision 198): which Source signed each one, what was not put down and why, and the order
-- to handle one anew. Beside that: a check that somebody wants anew, of a pull request or of a commit.

set lock_timeout = '5s'; set statement_timeout = '60s';

alter table ops.webhook_deliveries add column context text;
alter table ops.webhook_deliveries add column source text;
alter table ops.webhook_deliveries add column project_id uuid;
alter table ops.webhook_deliveries add column again_at timestamptz;
alter table ops.webhook_deliveries add column again_by text;
alter table ops.webhook_deliveries add constraint webhook_deliveries_told check (
  length(context) between 1 and 1024 and source <> '' and again_by <> '') not valid;
comment on column ops.webhook_deliveries.action is 'What happened to a pull request: opened, synchronized, reopened, closed; or to a check: rerequested.';
comment on column ops.webhook_deliveries.context is 'The check that is wanted anew; null: all of that commit, or none.';
comment on column ops.webhook_deliveries.source is 'The Source whose secret signed it, as namespace/name.';
comment on column ops.webhook_deliveries.project_id is 'The project of that Source, whose members may read it; null: the platform team''s.';
comment on column ops.webhook_deliveries.again_at is 'When a person wanted it handled anew; null: never.';
comment on column ops.webhook_deliveries.again_by is 'Who that was.';
create index webhook_deliveries_received on ops.webhook_deliveries (received_at desc);
create index webhook_deliveries_project on ops.webhook_deliveries (project_id);
drop policy webhook_deliveries_nobody on ops.webhook_deliveries;
create policy webhook_deliveries_members_read on ops.webhook_deliveries for select to authenticated
  using (project_id = any (array(select ops_private.my_projects())) or (select ops_private.is_platform()));
grant select on ops.webhook_deliveries to authenticated;
create trigger webhook_deliveries_again after update of again_at on ops.webhook_deliveries
for each row execute function ops_private.notify_webhooks();

create table ops.webhook_tallies (
  forge text not null check (forge in ('github', 'gitea')),
  repository text not null default '' check (length(repository) <= 1024),
  outcome text not null check (outcome in ('ignored', 'refused')),
  why text not null check (length(why) between 1 and 200),
  event text not null default '' check (length(event) <= 50),
  source text check (source <> ''),
  project_id uuid,
  times bigint not null default 1,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  last_id text not null default '' check (length(last_id) <= 100),
  last_repository text not null default '' check (length(last_repository) <= 200),
  primary key (forge, repository, outcome, why, event)
);
comment on table ops.webhook_tallies is 'Webhooks that were not put down, counted: genuine ones about which nothing is done, and those that were refused. As many rows as there are reasons, whoever sends.';
comment on column ops.webhook_tallies.forge is 'github or gitea: whose address it came to.';
comment on column ops.webhook_tallies.repository is 'The repository, where a Source that takes webhooks follows it; else empty.';
comment on column ops.webhook_tallies.outcome is 'ignored: it was genuine; refused: nobody knows.';
comment on column ops.webhook_tallies.why is 'Why, in a sentence of ours.';
comment on column ops.webhook_tallies.event is 'The event, where it was genuine.';
comment on column ops.webhook_tallies.source is 'The Source that follows the repository, where there is one alone.';
comment on column ops.webhook_tallies.project_id is 'The project of that Source, whose members may read it; null: the platform team''s.';
comment on column ops.webhook_tallies.times is 'How often.';
comment on column ops.webhook_tallies.first_at is 'When it came first.';
comment on column ops.webhook_tallies.last_at is 'When it came last.';
comment on column ops.webhook_tallies.last_id is 'The id that the last one said it has.';
comment on column ops.webhook_tallies.last_repository is 'The repository that the last one named, which nobody may have proven.';
create index webhook_tallies_project on ops.webhook_tallies (project_id);
alter table ops.webhook_tallies enable row level security;
revoke all on ops.webhook_tallies from public, anon, authenticated, service_role;
grant select on ops.webhook_tallies to authenticated;
grant select, insert, update, delete on ops.webhook_tallies to service_role;
create policy webhook_tallies_members_read on ops.webhook_tallies for select to authenticated
  using (project_id = any (array(select ops_private.my_projects())) or (select ops_private.is_platform()));

create function ops_private.project_of_source(source text) returns uuid
language sql stable set search_path = '' as $$
  select s.project_id from ops.sources s where s.namespace || '/' || s.name = source and s.deleted_at is null
$$;
comment on function ops_private.project_of_source(text) is 'The project of a Source by its namespace/name; null: the platform team''s, or there is none.';
revoke all on function ops_private.project_of_source(text) from public, anon, authenticated, service_role;

create or replace function ops_private.receive_delivery(told jsonb) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  kept boolean;
begin
  perform ops_private.check_receiver();
  delete from ops.webhook_deliveries d where d.received_at < now() - interval '30 days';
  insert into ops.webhook_deliveries (forge, delivery_id, event, repository, action, number, branch, before_commit, after_commit,
    body_sha256, context, source, project_id)
  values (told ->> 'forge', told ->> 'id', told ->> 'event', told ->> 'repository', told ->> 'action',
    (told ->> 'number')::bigint, told ->> 'branch', told ->> 'before', told ->> 'after', decode(told ->> 'body_sha256', 'hex'),
    told ->> 'context', told ->> 'source', ops_private.project_of_source(told ->> 'source'))
  on conflict do nothing returning true into kept;
  return coalesce(kept, false);
end
$$;

create function ops_private.tally_delivery(told jsonb) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  counted bigint;
begin
  perform ops_private.check_receiver();
  delete from ops.webhook_tallies t where t.last_at < now() - interval '30 days';
  insert into ops.webhook_tallies as t (forge, repository, outcome, why, event, source, project_id, last_id, last_repository)
  values (told ->> 'forge', coalesce(told ->> 'repository', ''), told ->> 'outcome', left(told ->> 'why', 200),
    coalesce(told ->> 'event', ''), told ->> 'source', ops_private.project_of_source(told ->> 'source'),
    left(coalesce(told ->> 'id', ''), 100), left(coalesce(told ->> 'named', ''), 200))
  on conflict (forge, repository, outcome, why, event) do update set times = t.times + 1, last_at = now(),
    source = excluded.source, project_id = excluded.project_id, last_id = excluded.last_id,
    last_repository = excluded.last_repository
  returning times into counted;
  return counted;
end
$$;
comment on function ops_private.tally_delivery(jsonb) is 'Counts a webhook that is not put down; how many of its sort there were within a month.';
revoke all on function ops_private.tally_delivery(jsonb) from public, anon, authenticated, service_role;
grant execute on function ops_private.tally_delivery(jsonb) to authenticated;

create function ops_private.deliver_again(forge text, delivery text) returns timestamptz
language plpgsql security definer set search_path = '' as $$
declare
  what text := format('webhook: "%s"', left(delivery, 100));
  owner uuid;
  asked timestamptz;
begin
  select d.project_id into owner from ops.webhook_deliveries d
  where d.forge = deliver_again.forge and d.delivery_id = delivery and d.repository is not null;
  if not found then
    perform ops_private.refuse('PT404', 'NotFound', what || ' is not known');
  end if;
  -- Who may not see it does not learn that it is there.
  if ops_private.my_role(owner) is null then
    perform ops_private.refuse('PT404', 'NotFound', what || ' is not known');
  elsif ops_private.role_rank(ops_private.my_role(owner)) < ops_private.role_rank('editor') then
    perform ops_private.refuse('42501', 'Forbidden', what || ': to have it handled anew takes the role editor');
  end if;
  update ops.webhook_deliveries d set handled_at = null, again_at = clock_timestamp(), again_by = ops_private.caller_actor()
  where d.forge = deliver_again.forge and d.delivery_id = delivery returning d.again_at into asked;
  return asked;
end
$$;
comment on function ops_private.deliver_again(text, text) is 'Lets a delivery be handled anew, by an editor of the project of its Source or by the platform team; when that was wanted.';
revoke all on function ops_private.deliver_again(text, text) from public, anon, authenticated, service_role;
grant execute on function ops_private.deliver_again(text, text) to authenticated;

-- The doors: they run as whoever calls (decision 055).

create function ops.tally_delivery(told jsonb) returns bigint
language sql set search_path = '' as $$ select ops_private.tally_delivery(told) $$;
comment on function ops.tally_delivery(jsonb) is 'See ops_private.tally_delivery.';
create function ops.deliver_again(forge text, delivery text) returns timestamptz
language sql set search_path = '' as $$ select ops_private.deliver_again(forge, delivery) $$;
comment on function ops.deliver_again(text, text) is 'See ops_private.deliver_again.';
revoke all on function ops.tally_delivery(jsonb), ops.deliver_again(text, text) from public, anon, authenticated, service_role;
grant execute on function ops.tally_delivery(jsonb), ops.deliver_again(text, text) to authenticated;

alter table ops.pull_reviews add column again text not null default '';
comment on column ops.pull_reviews.again is 'The webhook by which somebody wanted it said anew last; empty: nobody did. It is part of digest and posted.';
alter table ops.commit_reports add column again text not null default '';
comment on column ops.commit_reports.again is 'The webhook by which somebody wanted it said anew last; empty: nobody did. It is part of posted.';
