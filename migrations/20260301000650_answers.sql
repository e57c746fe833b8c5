-- Answers of models: money is set aside before a model is asked and metered when it has answered, and each answer is a run.
-- The gateway calls these functions for many requests at once. What a caller may do is decided here, by the caller's claims.
set lock_timeout = '5s';
set statement_timeout = '60s';

alter table ops.usage add column alias text;
alter table ops.usage add column model text;
alter table ops.usage add column input_tokens bigint;
alter table ops.usage add column output_tokens bigint;
alter table ops.usage add column estimated boolean not null default false;
comment on column ops.usage.alias is 'Of an answer: the alias that was asked.';
comment on column ops.usage.model is 'Of an answer: the model, by the provider''s id.';
comment on column ops.usage.input_tokens is 'Of an answer: tokens of the question.';
comment on column ops.usage.output_tokens is 'Of an answer: tokens that came back.';
comment on column ops.usage.estimated is 'Whether the provider did not tell the amount: ours, which is rather too high.';

create table ops.spending (
  project_id uuid not null,
  month date not null,
  metered numeric(14, 6) not null default 0,
  primary key (project_id, month)
);
comment on table ops.spending is 'What a project''s usage sums up to, by UTC month: kept by a trigger, and the lock under which its budget is checked.';
comment on column ops.spending.project_id is 'The project that pays.';
comment on column ops.spending.month is 'The first day of the month.';
comment on column ops.spending.metered is 'USD of the intervals that ended in it.';
select ops_private.protect('ops.spending');
insert into ops.spending (project_id, month, metered)
select project_id, date_trunc('month', until_at at time zone 'utc')::date, sum(cost) from ops.usage
where project_id is not null group by 1, 2;

create function ops_private.count_usage() returns trigger
language plpgsql set search_path = '' as $$
begin
  insert into ops.spending as s (project_id, month, metered)
  select u.project_id, date_trunc('month', u.until_at at time zone 'utc')::date, sum(u.cost) from added u
  where u.project_id is not null group by 1, 2 order by 1, 2
  on conflict (project_id, month) do update set metered = s.metered + excluded.metered;
  return null;
end
$$;
comment on function ops_private.count_usage() is 'Trigger: what was metered counts for the month in which it ended.';
revoke all on function ops_private.count_usage() from public, anon, authenticated, service_role;
create trigger usage_counted after insert on ops.usage
referencing new table as added for each statement execute function ops_private.count_usage();

-- Answers are runs that no engine has to look at: they wake nobody.
create function ops_private.notify_run_queued() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select 1 from changed where operation <> 'answer') then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_run_queued() is 'Trigger: a run was written that somebody may have to look at; answers of models are over when they are read.';
revoke all on function ops_private.notify_run_queued() from public, anon, authenticated, service_role;
create or replace trigger runs_inserted after insert on ops.runs
referencing new table as changed for each statement execute function ops_private.notify_run_queued();

create or replace function ops_private.notify_run_changed() returns trigger
language plpgsql set search_path = '' as $$
begin
  -- EXCEPT is hashed or sorted whatever the planner believes; a join of transition tables is planned blind.
  if exists (select run_id, state, not_before, cancel_requested_at from changed where operation <> 'answer'
             except select run_id, state, not_before, cancel_requested_at from before) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;

create function ops_private.over_budget(project uuid, usd numeric) returns text
language plpgsql set search_path = '' as $$
declare
  this_month date := date_trunc('month', now() at time zone 'utc')::date;
  budget numeric;
  called text;
  spent numeric;
  aside numeric;
begin
  select p.name, (p.spec #>> '{budget,monthlyUSD}')::numeric into called, budget from ops.projects p where p.id = project;
  if usd <= 0 or budget is null then
    return null;
  end if;
  insert into ops.spending (project_id, month) values (project, this_month) on conflict do nothing;
  select s.metered into spent from ops.spending s where s.project_id = project and s.month = this_month for update;
  select coalesce(sum(r.usd), 0) into aside from ops.reservations r where r.project_id = project and r.released_at is null;
  if spent + aside + usd <= budget then
    return null;
  end if;
  return format('spec.budget.monthlyUSD of Project/%s is %s: %s is spent this month, %s is set aside, and this may cost %s',
    called, budget, spent, aside, usd);
end
$$;
comment on function ops_private.over_budget(uuid, numeric) is 'Why a project may not set aside so much more; null: it may. Its month is locked until the transaction ends.';
revoke all on function ops_private.over_budget(uuid, numeric) from public, anon, authenticated, service_role;
grant execute on function ops_private.over_budget(uuid, numeric) to service_role;

create function ops_private.reserve_answers(asked json, holder text, seconds double precision)
returns table (run_id uuid, reason text, message text)
language plpgsql set search_path = '' as $$
declare
  item record;
  has text;
begin
  for item in
    select * from json_to_recordset(asked) as i(run_id uuid, project_id uuid, namespace text, name text, provider text,
      usd numeric, document jsonb, claims jsonb) order by i.project_id, i.run_id
  loop
    perform set_config('request.jwt.claims', item.claims::text, true);
    has := ops_private.my_role(item.project_id);
    run_id := item.run_id;
    reason := null;
    message := null;
    if has is null or not exists (select 1 from ops.projects p where p.id = item.project_id and p.deleted_at is null) then
      reason := 'NotFound';
      message := format('ModelDeployment "%s" is not known', item.name);
    elsif ops_private.role_rank(has) < ops_private.role_rank('editor') then
      reason := 'Forbidden';
      message := format('ModelDeployment "%s": to ask a model it takes the role editor, and yours is %s', item.name, has);
    else
      message := ops_private.over_budget(item.project_id, item.usd);
      reason := case when message is not null then 'BudgetExceeded' end;
    end if;
    if reason is null then
      insert into ops.runs (run_id, project_id, operation, kind, namespace, name, provider, state, document, lease_owner,
        timeout_seconds, cost_estimate, started_at)
      values (item.run_id, item.project_id, 'answer', 'ModelDeployment', item.namespace, item.name, item.provider, 'running',
        item.document, holder, 86400, 0, now());
      insert into ops.reservations (project_id, run_id, usd, until_at)
      values (item.project_id, item.run_id, item.usd, now() + make_interval(secs => seconds));
    end if;
    return next;
  end loop;
  perform set_config('request.jwt.claims', '', true);
end
$$;
comment on function ops_private.reserve_answers(json, text, double precision) is 'Sets money aside for answers and writes their runs: [{run_id, project_id, namespace, name, provider, usd, document, claims}]. A refusal has a reason. The claims were verified by who calls.';
revoke all on function ops_private.reserve_answers(json, text, double precision) from public, anon, authenticated, service_role;
grant execute on function ops_private.reserve_answers(json, text, double precision) to service_role;

create function ops_private.extend_answers(asked json) returns table (run_id uuid, reason text, message text)
language plpgsql set search_path = '' as $$
declare
  item record;
begin
  for item in
    select r.id, r.run_id, r.project_id, i.usd from json_to_recordset(asked) as i(run_id uuid, usd numeric)
    join ops.reservations r on r.run_id = i.run_id and r.released_at is null order by r.project_id, r.run_id
  loop
    run_id := item.run_id;
    message := ops_private.over_budget(item.project_id, item.usd);
    reason := case when message is not null then 'BudgetExceeded' end;
    if reason is null then
      update ops.reservations r set usd = r.usd + item.usd where r.id = item.id;
    end if;
    return next;
  end loop;
end
$$;
comment on function ops_private.extend_answers(json) is 'Sets more money aside for answers under way: [{run_id, usd}]. A refusal has a reason; one that was given up is not answered.';
revoke all on function ops_private.extend_answers(json) from public, anon, authenticated, service_role;
grant execute on function ops_private.extend_answers(json) to service_role;

create function ops_private.keep_answers(ids uuid[], seconds double precision) returns table (run_id uuid, cancelled boolean)
language sql set search_path = '' as $$
  update ops.reservations r set until_at = now() + make_interval(secs => seconds)
  from ops.runs u where r.run_id = any(ids) and r.released_at is null and u.run_id = r.run_id
  returning r.run_id, u.cancel_requested_at is not null
$$;
comment on function ops_private.keep_answers(uuid[], double precision) is 'Renews reservations; which are still held, and which of their runs somebody wants to end.';
revoke all on function ops_private.keep_answers(uuid[], double precision) from public, anon, authenticated, service_role;
grant execute on function ops_private.keep_answers(uuid[], double precision) to service_role;

create function ops_private.settle_answers(ended json) returns bigint
language plpgsql set search_path = '' as $$
declare
  told json;
begin
  with input as (
    select * from json_to_recordset(ended) as i(run_id uuid, state text, reason text, message text, cost numeric,
      provider text, model text, alias text, input_tokens bigint, output_tokens bigint, estimated boolean)
  ), released as (
    update ops.reservations r set released_at = now() from input i
    where r.run_id = i.run_id and r.released_at is null returning r.run_id
  ), closed as (
    update ops.runs r set state = i.state, reason = i.reason, message = i.message, cost = i.cost, provider = i.provider,
      metrics = jsonb_build_object('input_tokens', i.input_tokens, 'output_tokens', i.output_tokens),
      ended_at = now(), lease_owner = null
    from input i join released using (run_id) where r.run_id = i.run_id and r.state = 'running'
    returning r.run_id, r.project_id, r.started_at, i.state, i.reason, i.provider, i.model, i.alias, i.input_tokens,
      i.output_tokens, i.estimated, i.cost
  ), metered as (
    insert into ops.usage (project_id, run_id, provider, from_at, until_at, usd_per_hour, cost, alias, model, input_tokens,
      output_tokens, estimated)
    select c.project_id, c.run_id, c.provider, least(c.started_at, now()), now(), 0, c.cost, c.alias, c.model,
      c.input_tokens, c.output_tokens, c.estimated
    from closed c
  )
  select json_agg(json_build_object('run_id', c.run_id, 'type', 'Answered', 'actor', 'gateway', 'data', json_build_object(
    'state', c.state, 'reason', c.reason, 'provider', c.provider, 'model', c.model, 'alias', c.alias, 'input_tokens',
    c.input_tokens, 'output_tokens', c.output_tokens, 'estimated', c.estimated, 'cost', c.cost::text)) order by c.run_id)
  into told from closed c;
  if told is not null then
    perform ops_private.append_events(told);
  end if;
  return coalesce(json_array_length(told), 0);
end
$$;
comment on function ops_private.settle_answers(json) is 'Ends answers: gives back what was set aside, meters what they cost, ends their runs and tells it. What was settled before changes nothing. How many it ended.';
revoke all on function ops_private.settle_answers(json) from public, anon, authenticated, service_role;
grant execute on function ops_private.settle_answers(json) to service_role;

create function ops_private.expire_answers() returns bigint
language plpgsql set search_path = '' as $$
declare
  lost json;
begin
  -- Nobody knows what an answer cost whose gateway is gone: what was set aside for it counts as spent.
  select json_agg(json_build_object('run_id', e.run_id, 'state', 'lost', 'reason', 'Lost', 'message',
    'the gateway that asked is gone; what was set aside counts as spent', 'cost', e.usd, 'provider', e.provider, 'alias',
    e.document ->> 'alias', 'model', e.document ->> 'model', 'estimated', true)) into lost
  from (select r.run_id, r.usd, u.provider, u.document from ops.reservations r join ops.runs u on u.run_id = r.run_id
        where r.released_at is null and r.until_at < now() and u.operation = 'answer'
        order by r.run_id limit 1000 for update of r skip locked) e;
  if lost is null then
    return 0;
  end if;
  return ops_private.settle_answers(lost);
end
$$;
comment on function ops_private.expire_answers() is 'Ends the answers whose gateway did not renew their reservation in time; how many.';
revoke all on function ops_private.expire_answers() from public, anon, authenticated, service_role;
grant execute on function ops_private.expire_answers() to service_role;
