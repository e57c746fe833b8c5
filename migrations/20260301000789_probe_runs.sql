-- Runs of probes (decision 195): one that changed nothing has no event, so no chain, and its row goes with time. The one that
-- changed how a revision stands says so in its chain, and stays for ever as all that has events.

set lock_timeout = '5s'; set statement_timeout = '60s';

create or replace function ops_private.settle_answers(ended json) returns bigint
language plpgsql set search_path = '' as $$
declare
  told json;
  closed_now bigint;
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
      ended_at = now(), lease_owner = null, event_head = case when r.event_seq > 0 then r.event_hash end
    from input i join released using (run_id) where r.run_id = i.run_id and r.state = 'running'
    returning r.run_id, r.project_id, r.started_at, i.state, i.reason, i.provider, i.model, i.alias, i.input_tokens,
      i.output_tokens, i.estimated, i.cost, r.document ->> 'verb' as verb
  ), metered as (
    insert into ops.usage (project_id, run_id, provider, from_at, until_at, usd_per_hour, cost, alias, model, input_tokens,
      output_tokens, estimated)
    select c.project_id, c.run_id, c.provider, least(c.started_at, now()), now(), 0, c.cost, c.alias, c.model,
      c.input_tokens, c.output_tokens, c.estimated
    from closed c
  )
  select count(*), json_agg(json_build_object('run_id', c.run_id, 'type', 'Answered', 'actor', 'gateway', 'data',
    json_build_object('state', c.state, 'reason', c.reason, 'provider', c.provider, 'model', c.model, 'alias', c.alias,
    'input_tokens', c.input_tokens, 'output_tokens', c.output_tokens, 'estimated', c.estimated, 'cost', c.cost::text))
    order by c.run_id) filter (where c.verb is distinct from 'probe')
  into closed_now, told from closed c;
  if told is not null then
    perform ops_private.append_events(told);
  end if;
  return closed_now;
end
$$;

create function ops_private.model_probed(deployment uuid, of_revision text, run uuid, well boolean, said text, most integer)
returns void
language plpgsql set search_path = '' as $$
declare
  earlier ops.model_probes;
  later ops.model_probes;
begin
  select m.* into earlier from ops.model_probes m
  where m.deployment_id = deployment and m.revision = of_revision for update;
  update ops.model_probes m set probed_at = now(), message = said,
    failures = case when well then 0 else m.failures + 1 end,
    passed = well or (m.passed and m.failures + 1 < most)
  where m.deployment_id = deployment and m.revision = of_revision returning m.* into later;
  if (earlier.probed_at is null, earlier.passed, earlier.message = '') is distinct from (false, later.passed, later.message = '')
  then
    perform ops_private.append_events(json_build_array(json_build_object('run_id', run, 'type', 'ProbeChanged', 'actor',
      'gateway', 'data', json_build_object('revision', of_revision, 'passed', later.passed, 'failures', later.failures,
      'message', said))));
  end if;
end
$$;
comment on function ops_private.model_probed(uuid, text, uuid, boolean, text, integer) is 'How the health question of a revision was answered by a run: well, or badly so often that it leaves the rotation. What that changed is told in the chain of the run.';
revoke all on function ops_private.model_probed(uuid, text, uuid, boolean, text, integer) from public, anon, authenticated, service_role;
grant execute on function ops_private.model_probed(uuid, text, uuid, boolean, text, integer) to service_role;

create function ops_private.forget_probes(keep bigint, before timestamptz) returns bigint
language sql security definer set search_path = '' as $$
  with doomed as (
    select p.run_id from (
      select r.run_id, r.event_seq, r.ended_at, row_number() over (
        partition by r.project_id, r.namespace, r.name, r.state = 'succeeded' order by r.queued_at desc, r.run_id desc) as nr
      from ops.runs r where r.operation = 'answer' and r.document ->> 'verb' = 'probe') p
    where p.nr > greatest(keep, 1) and p.event_seq = 0 and p.ended_at < before
    limit 1000
  ), gone as (
    delete from ops.runs r using doomed d
    where r.run_id = d.run_id and r.operation = 'answer' and r.event_seq = 0 and r.ended_at is not null returning 1
  )
  select count(*) from gone
$$;
comment on function ops_private.forget_probes(bigint, timestamptz) is 'Forgets runs of probes that ended before then, have no event, and are older than the last so many of their ModelDeployment, good and bad ones each; how many, a thousand at most.';
revoke all on function ops_private.forget_probes(bigint, timestamptz) from public, anon, authenticated, service_role;
grant execute on function ops_private.forget_probes(bigint, timestamptz) to service_role;
