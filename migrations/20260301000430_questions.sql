-- What callers ask where a table alone does not answer. What row-level security covers runs as its caller.

create function ops_private.verify_chains(ids uuid[], after uuid, most integer)
returns table (run_id uuid, events bigint, broken_at bigint)
language sql stable set search_path = '' as $$
  -- Every batch is recomputed from the rows as they are; the first thing that is wrong, per run.
  with chosen as (
    select r.run_id, r.event_seq, r.event_hash, r.event_head from ops.runs r
    where (ids is null and r.run_id > after) or r.run_id = any(ids)
    order by r.run_id limit most
  ), digested as (
    select b.run_id, b.first_seq, b.last_seq, b.prev_hash, b.hash, count(e.seq) as found,
      sha256(b.prev_hash || coalesce(string_agg(
        sha256(convert_to(concat_ws(E'\n', e.seq, (extract(epoch from e.at) * 1000000)::bigint, e.type,
          coalesce(e.project_id::text, ''), e.data::text, e.actor), 'UTF8')), ''::bytea order by e.seq), '')) as computed,
      lag(b.hash, 1, ''::bytea) over w as expected_prev, lag(b.last_seq, 1, 0::bigint) over w as before
    from chosen c join ops.event_batches b using (run_id)
    left join ops.run_events e on e.run_id::text = b.run_id::text and e.seq between b.first_seq and b.last_seq
    group by b.run_id, b.first_seq, b.last_seq, b.prev_hash, b.hash
    window w as (partition by b.run_id order by b.first_seq)
  ), broken as (
    select d.run_id, min(case when d.before + 1 <> d.first_seq then d.before + 1 else d.first_seq end) as seq
    from digested d
    where d.computed <> d.hash or d.prev_hash <> d.expected_prev or d.found <> d.last_seq - d.first_seq + 1
      or d.before + 1 <> d.first_seq
    group by d.run_id
  ), loose as (
    select c.run_id, min(e.seq) as seq
    from chosen c join ops.run_events e on e.run_id::text = c.run_id::text and e.seq is not null
    where not exists (select 1 from ops.event_batches b
                      where b.run_id = c.run_id and e.seq between b.first_seq and b.last_seq)
    group by c.run_id
  ), ends as (
    select c.run_id, coalesce(max(d.last_seq), 0) as last_seq,
      (select d2.hash from digested d2 where d2.run_id = c.run_id order by d2.first_seq desc limit 1) as last_hash
    from chosen c left join digested d using (run_id) group by c.run_id
  )
  select c.run_id, c.event_seq,
    coalesce(least(b.seq, l.seq), case
      when n.last_seq <> c.event_seq then least(n.last_seq, c.event_seq) + 1
      when coalesce(n.last_hash, '') <> c.event_hash or c.event_head <> c.event_hash then greatest(n.last_seq, 1)
    end)
  from chosen c join ends n using (run_id) left join broken b using (run_id) left join loose l using (run_id)
  order by c.run_id
$$;
comment on function ops_private.verify_chains(uuid[], uuid, integer) is 'How chains of events stand: of these runs, or of the next ones by id. broken_at null: intact.';
revoke all on function ops_private.verify_chains(uuid[], uuid, integer) from public, anon, authenticated, service_role;
grant execute on function ops_private.verify_chains(uuid[], uuid, integer) to service_role;

create function ops_private.verify_visible(ids uuid[], after uuid, most integer)
returns table (run_id uuid, events bigint, broken_at bigint)
language sql stable security definer set search_path = '' as $$
  -- A run of several projects has events that its reader may not see: the digest needs them all the same.
  select v.run_id, v.events, v.broken_at from ops_private.verify_chains(array(
    select r.run_id from ops.runs r
    where ((ids is null and r.run_id > after) or r.run_id = any(ids))
      and (r.project_id = any (array(select ops_private.my_projects()))
           or (r.project_id is null and (select ops_private.is_member())))
    order by r.run_id limit most), after, most) v
$$;
comment on function ops_private.verify_visible(uuid[], uuid, integer) is 'The same for the runs that the caller may see.';
revoke all on function ops_private.verify_visible(uuid[], uuid, integer) from public, anon, authenticated, service_role;
grant execute on function ops_private.verify_visible(uuid[], uuid, integer) to authenticated;

create function ops.verify_runs(ids uuid[] default null, after uuid default '00000000-0000-0000-0000-000000000000',
  most integer default 500)
returns table (run_id uuid, events bigint, broken_at bigint)
language plpgsql stable set search_path = '' as $$
begin
  if current_user = 'authenticated' then
    return query select v.run_id, v.events, v.broken_at from ops_private.verify_visible(ids, after, least(most, 1000)) v;
  else
    return query select v.run_id, v.events, v.broken_at from ops_private.verify_chains(ids, after, most) v;
  end if;
end
$$;
comment on function ops.verify_runs(uuid[], uuid, integer) is 'How the chains of events stand, of these runs or page by page of all that its caller may see. broken_at null: intact.';

create function ops.verify_run(run_id uuid)
returns table (verdict text, events bigint, broken_at bigint)
language sql stable set search_path = '' as $$
  select case when v.broken_at is null then 'intact' else 'broken at seq ' || v.broken_at end, v.events, v.broken_at
  from ops.verify_runs(array[verify_run.run_id]) v
$$;
comment on function ops.verify_run(uuid) is 'How the chain of a run''s events stands; no row: there is no such run for its caller.';

create function ops.compare_runs(experiment text, within text default null)
returns table (namespace text, run text, state text, ready boolean, reason text, parameters jsonb,
  metrics jsonb, metric text, value numeric, rank bigint, artifacts jsonb, run_id uuid, attempt integer,
  started_at timestamptz, ended_at timestamptz, cost numeric)
language sql stable set search_path = '' as $$
  select x.namespace, x.name, x.state, x.ready, x.reason, x.parameters, x.metrics, e.metric_name, m.value,
    case when m.value is not null then
      rank() over (partition by e.id, m.value is null
                   order by case when e.metric_goal = 'maximize' then -m.value else m.value end) end,
    coalesce(a.artifacts, '{}'), l.run_id, l.attempt, l.started_at, l.ended_at, l.cost
  from ops.experiments e
  join ops.experiment_runs x
    on x.deleted_at is null and (x.experiment_id = e.id
      or (x.experiment_id is null and x.namespace = e.namespace and x.experiment = e.name))
  cross join lateral (select case when jsonb_typeof(x.metrics -> e.metric_name) = 'number'
                                  then (x.metrics ->> e.metric_name)::numeric end as value) m
  left join lateral (select r.run_id, r.attempt, r.started_at, r.ended_at, r.cost from ops.runs r
                     where r.resource_uid = x.id and r.operation = 'execute'
                     order by r.attempt desc, r.queued_at desc limit 1) l on true
  left join lateral (select jsonb_object_agg(f.name, f.sha256 order by f.name) as artifacts from ops.artifacts f
                     where f.run_id::text = l.run_id::text and f.key = 'sha256/' || f.sha256) a on true
  where e.deleted_at is null and e.name = compare_runs.experiment
    and (within is null or e.namespace = within)
  order by x.namespace, 10 nulls last, x.name
$$;
comment on function ops.compare_runs(text, text) is 'The runs of an experiment side by side, the best first: parameters, metrics, and the sha256 of what each latest execution left. rank: by the experiment''s metric and goal; within: a namespace.';

create function ops.resources_at(t timestamptz)
returns table (kind text, id uuid, project_id uuid, namespace text, name text, declared_hash text, generation bigint,
  state text, ready boolean, reason text, external_id text, revision text, "commit" text, run_id uuid, spec jsonb,
  valid_from timestamptz)
language sql stable set search_path = '' as $$
  select h.kind, h.uid, h.project_id, h.namespace, h.name, h.declared_hash, h.generation, h.state, h.ready, h.reason,
    h.external_id, h.revision, h."commit", h.run_id,
    coalesce(h.spec, (select s.spec from ops.resource_history s
                      where s.uid = h.uid and (s.valid_from, s.id) < (h.valid_from, h.id) and s.spec is not null
                      order by s.valid_from desc, s.id desc limit 1)),
    h.valid_from
  from (select distinct on (r.uid) r.* from ops.resource_history r where r.valid_from <= t
        order by r.uid, r.valid_from desc, r.id desc) h
  where not h.deleted
  order by h.kind, h.namespace, h.name
$$;
comment on function ops.resources_at(timestamptz) is 'What lived at a time, as it was recorded then.';

create function ops_private.visible_subjects(subjects jsonb)
returns table (kind text, namespace text, name text)
language sql stable set search_path = '' as $$
  -- What a step is about, if the caller may see it: by its row, by its document, by the project that the step names.
  select distinct s.kind, s.namespace, s.name
  from jsonb_to_recordset(subjects) as s(kind text, namespace text, name text, project text)
  left join ops.resources v on v.kind = s.kind and v.namespace = s.namespace and v.name = s.name
  left join ops.declared d on d.kind = s.kind and d.namespace = s.namespace and d.name = s.name
  left join ops.projects p on p.deleted_at is null
    and p.name = coalesce(s.project, d.project, case when s.kind = 'Project' then s.name end)
  where coalesce(v.project_id, p.id) = any (array(select ops_private.my_projects()))
    or (v.project_id is null and p.id is null and s.namespace = '' and s.kind <> 'Project')
    or (select ops_private.is_platform())
$$;
comment on function ops_private.visible_subjects(jsonb) is 'Those of [{kind, namespace, name, project}] that the caller may see.';
revoke all on function ops_private.visible_subjects(jsonb) from public, anon, authenticated, service_role;

create function ops_private.masked_plan(document jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  answer jsonb;
begin
  if ops_private.is_platform() then
    return document || jsonb_build_object('masked', 0);
  end if;
  with mine as materialized (
    select v.kind, v.namespace, v.name from ops_private.visible_subjects((
      select jsonb_agg(i -> 'subject' || jsonb_build_object('project', i -> 'project'))
      from jsonb_array_elements(coalesce(document -> 'steps', '[]') || coalesce(document -> 'waits', '[]')) i)) v
  ), steps as materialized (
    select s.step, s.nr, m.name is not null as shown
    from jsonb_array_elements(document -> 'steps') with ordinality as s(step, nr)
    left join mine m on m.kind = s.step #>> '{subject,kind}' and m.namespace = s.step #>> '{subject,namespace}'
      and m.name = s.step #>> '{subject,name}'
  ), waits as (
    select jsonb_agg(w.wait order by w.nr) as shown
    from jsonb_array_elements(document -> 'waits') with ordinality as w(wait, nr)
    join mine m on m.kind = w.wait #>> '{subject,kind}' and m.namespace = w.wait #>> '{subject,namespace}'
      and m.name = w.wait #>> '{subject,name}'
  ), counts as (
    select jsonb_object_agg(c.action, c.number) as shown
    from (select step ->> 'action' as action, count(*) as number from steps where shown group by 1) c
  )
  select document || jsonb_build_object(
    'steps', coalesce(jsonb_agg(s.step order by s.nr) filter (where s.shown), '[]'),
    'waits', coalesce((select w.shown from waits w), '[]'),
    'counts', coalesce((select c.shown from counts c), '{}'),
    'cost', jsonb_build_object(
      'before', coalesce(sum((s.step #>> '{cost,before}')::numeric) filter (where s.shown), 0)::text,
      'after', coalesce(sum((s.step #>> '{cost,after}')::numeric) filter (where s.shown), 0)::text),
    'inputs', jsonb_build_object('commit', document #> '{inputs,commit}', 'hold_token',
      case when coalesce(bool_or(s.shown and s.step ->> 'action' = 'hold'), false)
           then document #> '{inputs,hold_token}' end),
    'destroy_token', case when coalesce(bool_or(s.shown and (s.step ->> 'destructive')::boolean), false)
                          then document ->> 'destroy_token' else '' end,
    'masked', count(*) filter (where not s.shown))
  into answer from steps s;
  return answer;
end
$$;
comment on function ops_private.masked_plan(jsonb) is 'A plan''s document with the steps and waits that the caller may see; masked: how many steps are not shown. Tokens only with a step that they stand for.';
revoke all on function ops_private.masked_plan(jsonb) from public, anon, authenticated, service_role;

create function ops_private.plans_for_me(prefix text, most integer)
returns table (id text, destroy_token text, complete boolean, "commit" text, document jsonb, run_id uuid,
  created_at timestamptz, last_seen_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select k.id, m.document ->> 'destroy_token', k.complete, k."commit", m.document, k.run_id, k.created_at, k.last_seen_at
  from (select * from ops.plans p where (prefix is null or starts_with(p.id, prefix))
          and (select ops_private.is_member())
        order by p.last_seen_at desc, p.id limit least(greatest(most, 0), 100)) k
  cross join lateral (select ops_private.masked_plan(k.document)) m(document)
  order by k.last_seen_at desc, k.id
$$;
comment on function ops_private.plans_for_me(text, integer) is 'Kept plans, the latest first, as the caller may see them.';
revoke all on function ops_private.plans_for_me(text, integer) from public, anon, authenticated, service_role;
grant execute on function ops_private.plans_for_me(text, integer) to authenticated;

create function ops.plans_for_me(prefix text default null, most integer default 20)
returns table (id text, destroy_token text, complete boolean, "commit" text, document jsonb, run_id uuid,
  created_at timestamptz, last_seen_at timestamptz)
language sql stable set search_path = '' as $$ select * from ops_private.plans_for_me(prefix, most) $$;
comment on function ops.plans_for_me(text, integer) is 'Kept plans, the latest first: the steps of its caller''s projects, and how many others are masked. prefix: the beginning of an id.';

do $$
declare
  question regprocedure;
begin
  foreach question in array array['ops.verify_runs(uuid[], uuid, integer)', 'ops.verify_run(uuid)',
    'ops.compare_runs(text, text)', 'ops.resources_at(timestamptz)', 'ops.plans_for_me(text, integer)']::regprocedure[]
  loop
    execute format('revoke all on function %s from public, anon, authenticated, service_role', question);
    execute format('grant execute on function %s to authenticated', question);
  end loop;
  grant execute on function ops.verify_runs(uuid[], uuid, integer), ops.compare_runs(text, text),
    ops.resources_at(timestamptz) to service_role;
end
$$;
