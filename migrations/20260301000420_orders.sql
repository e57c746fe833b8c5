-- What callers may write: orders. Each checks the least role, validates what it is given, and is recorded with who gave
-- it. A refusal has a SQLSTATE that says what kind it is (42501; PT400, PT404, PT409: the HTTP status, as PostgREST
-- answers it), a message of one line, and as its detail the reason in one word.

create index plans_destroy_token on ops.plans (destroy_token) where destroy_token <> '';
create index plans_hold_token on ops.plans ((document #>> '{inputs,hold_token}'));

alter table ops.fix_proposals add column snoozed_until timestamptz;
comment on column ops.fix_proposals.snoozed_until is 'Until when a person wants to hear nothing of it.';

create function ops_private.refuse(code text, reason text, told text) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = code, message = told, detail = reason;
end
$$;
comment on function ops_private.refuse(text, text, text) is 'Raises: SQLSTATE, reason in one word, message.';
revoke all on function ops_private.refuse(text, text, text) from public, anon, authenticated, service_role;

create function ops_private.least_role(verb text) returns text
language sql immutable set search_path = '' as $$
  select case
    when verb in ('suspend', 'resume', 'cancel', 'snooze', 'start', 'stop', 'extend', 'snapshot', 'rerun', 'backfill')
      then 'editor'
    when verb in ('confirm', 'adopt', 'forget') then 'admin'
  end
$$;
comment on function ops_private.least_role(text) is 'The least role in a project that may order this of what belongs to it; null: no such verb. What is cluster-scoped takes the platform team.';
revoke all on function ops_private.least_role(text) from public, anon, authenticated, service_role;
grant execute on function ops_private.least_role(text) to authenticated, service_role;

create function ops_private.demand(verb text, project uuid, what text) returns void
language plpgsql stable set search_path = '' as $$
declare
  needed text := case when project is null then 'platform' else ops_private.least_role(verb) end;
  has text := ops_private.my_role(project);
begin
  if ops_private.role_rank(has) >= ops_private.role_rank(needed) then
    return;
  end if;
  -- Who may not see it does not learn that it is there.
  if has is null and (project is not null or not ops_private.is_member()) then
    perform ops_private.refuse('PT404', 'NotFound', what || ' is not known');
  end if;
  perform ops_private.refuse('42501', 'Forbidden', format('%s: to %s it takes the role %s%s, and yours is %s', what, verb,
    needed, case when project is null then ', for it is cluster-scoped' else '' end, coalesce(has, 'member')));
end
$$;
comment on function ops_private.demand(text, uuid, text) is 'Raises unless the caller may order this of a thing of that project (null: cluster-scoped).';
revoke all on function ops_private.demand(text, uuid, text) from public, anon, authenticated, service_role;

create function ops_private.caller_actor() returns text
language plpgsql stable set search_path = '' as $$
declare
  subject text := auth.jwt() ->> 'sub';
begin
  if coalesce(subject, '') = '' or length(subject) > 200 or subject ~ '[[:cntrl:]]' then
    perform ops_private.refuse('42501', 'Forbidden', 'token: it names nobody (claim "sub"), and an order has an author');
  end if;
  return 'user:' || subject;
end
$$;
comment on function ops_private.caller_actor() is 'The caller as an author: user:<sub>.';
revoke all on function ops_private.caller_actor() from public, anon, authenticated, service_role;

create function ops_private.as_time(word text) returns timestamptz
language plpgsql stable set search_path = '' as $$
begin
  if word !~ '^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})$' then
    return null;
  end if;
  return (select t from (select word::timestamptz) as v(t) where t between '2000-01-01' and now() + interval '100 years');
exception when datetime_field_overflow or invalid_datetime_format then
  return null;
end
$$;
comment on function ops_private.as_time(text) is 'A time with its zone (RFC 3339) of this century or the next; null where the text is none.';
revoke all on function ops_private.as_time(text) from public, anon, authenticated, service_role;

create function ops_private.verb_arguments() returns table (verb text, arg text, form text, needed boolean)
language sql immutable set search_path = '' as $$
  values (null, 'why', 'note', false), ('resume', 'revert', 'flag', false), ('confirm', 'token', 'token', true),
    ('cancel', 'run_id', 'uuid', true), ('rerun', 'run_id', 'uuid', false), ('snooze', 'proposal_id', 'uuid', true),
    ('snooze', 'until', 'time', true), ('extend', 'by', 'duration', false), ('extend', 'until', 'time', false),
    ('backfill', 'from', 'time', true), ('backfill', 'until', 'time', false)
$$;
comment on function ops_private.verb_arguments() is 'The arguments of each verb; without a verb: of all. Why is for those who read the order later.';
revoke all on function ops_private.verb_arguments() from public, anon, authenticated, service_role;

create function ops_private.fits(value jsonb, form text) returns boolean
language sql stable set search_path = '' as $$
  select case form
    when 'flag' then jsonb_typeof(value) = 'boolean'
    else jsonb_typeof(value) = 'string' and case form
      when 'note' then length(value #>> '{}') <= 500
      when 'token' then value #>> '{}' ~* '^[0-9a-f]{12}$'
      when 'uuid' then value #>> '{}' ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
      when 'duration' then value #>> '{}' ~ '^([1-9]\d{0,3}d)?([1-9]\d{0,3}h)?([1-9]\d{0,3}m)?([1-9]\d{0,3}s)?$' and value <> '""'
      when 'time' then ops_private.as_time(value #>> '{}') is not null
    end end
$$;
comment on function ops_private.fits(jsonb, text) is 'Whether an argument has the form of verb_arguments.';
revoke all on function ops_private.fits(jsonb, text) from public, anon, authenticated, service_role;

create function ops_private.check_args(verb text, args jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  wrong record;
begin
  if jsonb_typeof(args) is distinct from 'object' then
    perform ops_private.refuse('PT400', 'InvalidArgs', verb || ': args must be an object');
  end if;
  select coalesce(k.arg, g.arg) as arg, k.form, g.value into wrong
  from jsonb_each(args) as g(arg, value)
  full join (select * from ops_private.verb_arguments() v where v.verb is null or v.verb = check_args.verb) k
    on k.arg = g.arg
  where k.arg is null or (g.arg is null and k.needed) or (g.arg is not null and not ops_private.fits(g.value, k.form))
  order by 1 limit 1;
  if not found then
    return;
  elsif wrong.form is null then
    perform ops_private.refuse('PT400', 'InvalidArgs', format('%s: args: "%s" is not known; known: %s', verb,
      left(wrong.arg, 40), (select string_agg(v.arg, ', ') from ops_private.verb_arguments() v
                            where v.verb is null or v.verb = check_args.verb)));
  elsif wrong.value is null then
    perform ops_private.refuse('PT400', 'InvalidArgs', format('%s: args: "%s" is missing', verb, wrong.arg));
  end if;
  perform ops_private.refuse('PT400', 'InvalidArgs', format('%s: args: "%s" is %s, must be %s', verb, wrong.arg,
    left(wrong.value::text, 80), case wrong.form
      when 'flag' then 'true or false' when 'note' then 'a text of at most 500 letters'
      when 'token' then '12 hex digits' when 'uuid' then 'a uuid' when 'duration' then 'a duration like 90m or 2h'
      else 'a time like 2026-03-01T12:00:00Z' end));
end
$$;
comment on function ops_private.check_args(text, jsonb) is 'Raises unless these are arguments that the verb takes, each of its form.';
revoke all on function ops_private.check_args(text, jsonb) from public, anon, authenticated, service_role;

create function ops_private.record_order(verb text, kind text, namespace text, name text, project uuid, args jsonb,
  actor text, at_once boolean) returns uuid
language sql set search_path = '' as $$
  insert into ops.interventions (verb, kind, namespace, name, project_id, args, actor, applied_at)
  values (verb, kind, coalesce(namespace, ''), name, project, args, actor, case when at_once then now() end)
  returning id
$$;
comment on function ops_private.record_order(text, text, text, text, uuid, jsonb, text, boolean) is 'Writes an order down: it waits for the engine, but for what takes effect at once.';
revoke all on function ops_private.record_order(text, text, text, text, uuid, jsonb, text, boolean) from public, anon, authenticated, service_role;
grant execute on function ops_private.record_order(text, text, text, text, uuid, jsonb, text, boolean) to service_role;

create function ops_private.record_for_caller(verb text, kind text, namespace text, name text, project uuid, args jsonb,
  at_once boolean) returns uuid
language sql set search_path = '' as $$
  select ops_private.record_order(verb, kind, namespace, name, project,
    args || jsonb_strip_nulls(jsonb_build_object('actor_email', ops_private.caller_email())),
    ops_private.caller_actor(), at_once)
$$;
comment on function ops_private.record_for_caller(text, text, text, text, uuid, jsonb, boolean) is 'The same by the caller, with the verified e-mail address where there is one.';
revoke all on function ops_private.record_for_caller(text, text, text, text, uuid, jsonb, boolean) from public, anon, authenticated, service_role;

create function ops_private.kinds_of_verb(verb text) returns text[]
language sql immutable set search_path = '' as $$
  select case
    when verb in ('start', 'stop') then array['Session', 'AppDeployment', 'ModelDeployment']
    when verb in ('extend', 'snapshot') then array['Session']
    when verb = 'backfill' then array['RunnerJob']
    when verb = 'rerun'
      then array['RunnerJob', 'Experiment', 'ExperimentRun', 'Session', 'AppDeployment', 'ModelDeployment']
  end
$$;
comment on function ops_private.kinds_of_verb(text) is 'The kinds that a verb means something to; null: all.';
revoke all on function ops_private.kinds_of_verb(text) from public, anon, authenticated, service_role;

create function ops_private.order_of_resource(verb text, kind text, namespace text, name text, args jsonb) returns uuid
language plpgsql set search_path = '' as $$
declare
  what text := format('%s "%s"', left(kind, 40), left(name, 253));
  owner uuid;
begin
  if kind is null or name is null then
    perform ops_private.refuse('PT400', 'InvalidArgs', verb || ': kind and name of a resource are missing');
  end if;
  select v.project_id into owner from ops.resources v
  where v.kind = order_of_resource.kind and v.namespace = order_of_resource.namespace
    and v.name = order_of_resource.name;
  if not found then
    select p.id into owner from ops.declared d
    left join ops.projects p on p.name = d.project and p.deleted_at is null
    where d.kind = order_of_resource.kind and d.namespace = order_of_resource.namespace
      and d.name = order_of_resource.name;
    if not found then
      perform ops_private.refuse('PT404', 'NotFound', what || ' is not known');
    end if;
  end if;
  perform ops_private.demand(verb, case when namespace <> '' then owner end, what);
  if not kind = any (ops_private.kinds_of_verb(verb)) then
    perform ops_private.refuse('PT400', 'InvalidArgs', format('%s: %s is not for %s; it is for %s', what, verb, kind,
      array_to_string(ops_private.kinds_of_verb(verb), ', ')));
  end if;
  if verb = 'extend' and (args ? 'by') = (args ? 'until') then
    perform ops_private.refuse('PT400', 'InvalidArgs', 'extend: args: give "by" or "until", one of them');
  end if;
  return ops_private.record_for_caller(verb, kind, namespace, name, owner, args, false);
end
$$;
comment on function ops_private.order_of_resource(text, text, text, text, jsonb) is 'An order about one resource, living or declared.';
revoke all on function ops_private.order_of_resource(text, text, text, text, jsonb) from public, anon, authenticated, service_role;

create function ops_private.run_to_order(verb text, wanted text) returns ops.runs
language plpgsql set search_path = '' as $$
declare
  found_run ops.runs;
begin
  -- A run that its caller may not see is answered like one that is not there, in the reason too.
  select r.* into found_run from ops.runs r
  where r.run_id = wanted::uuid
    and (r.project_id = any (array(select ops_private.my_projects()))
         or (r.project_id is null and (select ops_private.is_member())));
  if not found then
    perform ops_private.refuse('PT404', 'RunNotFound', format('run "%s" is not known', wanted));
  end if;
  perform ops_private.demand(verb, found_run.project_id, format('run "%s"', wanted));
  return found_run;
end
$$;
comment on function ops_private.run_to_order(text, text) is 'The run, if the caller may order this of it.';
revoke all on function ops_private.run_to_order(text, text) from public, anon, authenticated, service_role;

create function ops_private.order_cancel(args jsonb) returns uuid
language plpgsql set search_path = '' as $$
declare
  run ops.runs := ops_private.run_to_order('cancel', args ->> 'run_id');
begin
  if ops_private.cancel_runs(array[run.run_id], 'ordered', ops_private.caller_actor()) = 0 then
    perform ops_private.refuse('PT409', 'RunEnded', format('run "%s" has ended (%s)', run.run_id,
      (select r.state from ops.runs r where r.run_id = run.run_id)));
  end if;
  return ops_private.record_for_caller('cancel', case when run.name is not null then run.kind end, run.namespace,
    case when run.kind is not null then run.name end, run.project_id,
    args || jsonb_build_object('run_id', run.run_id), true);
end
$$;
comment on function ops_private.order_cancel(jsonb) is 'Asks a run to end: the same as the engine''s own cancel.';
revoke all on function ops_private.order_cancel(jsonb) from public, anon, authenticated, service_role;

create function ops_private.order_rerun(args jsonb, as_run uuid) returns uuid
language plpgsql set search_path = '' as $$
declare
  run ops.runs := ops_private.run_to_order('rerun', args ->> 'run_id');
begin
  if run.operation not in ('execute', 'reproduce') then
    perform ops_private.refuse('PT409', 'NotReproducible', format('run "%s" did not execute a command', run.run_id));
  end if;
  if run.ended_at is null then
    perform ops_private.refuse('PT409', 'NotReproducible', format('run "%s" has not ended (%s)', run.run_id, run.state));
  end if;
  return ops_private.record_for_caller('rerun', run.kind, run.namespace, run.name, run.project_id,
    args || jsonb_build_object('run_id', run.run_id, 'new_run_id', as_run), false);
end
$$;
comment on function ops_private.order_rerun(jsonb, uuid) is 'Asks for an ended run to be executed again under that id; the engine queues it.';
revoke all on function ops_private.order_rerun(jsonb, uuid) from public, anon, authenticated, service_role;

create function ops_private.order_snooze(args jsonb) returns uuid
language plpgsql set search_path = '' as $$
declare
  wanted uuid := (args ->> 'proposal_id')::uuid;
  quiet_until timestamptz := ops_private.as_time(args ->> 'until');
  proposal ops.fix_proposals;
begin
  select f.* into proposal from ops.fix_proposals f where f.id = wanted for update;
  if not found then
    perform ops_private.refuse('PT404', 'NotFound', format('proposal "%s" is not known', wanted));
  end if;
  perform ops_private.demand('snooze', proposal.project_id, format('proposal "%s"', wanted));
  if proposal.state not in ('open', 'snoozed') then
    perform ops_private.refuse('PT409', 'ProposalEnded', format('proposal "%s" is %s', wanted, proposal.state));
  end if;
  if quiet_until <= now() then
    perform ops_private.refuse('PT400', 'InvalidArgs', format('snooze: args: "until" is "%s", must be in the future',
      args ->> 'until'));
  end if;
  update ops.fix_proposals f set state = 'snoozed', snoozed_until = quiet_until, updated_at = now() where f.id = wanted;
  return ops_private.record_for_caller('snooze', null, '', null, proposal.project_id, args, true);
end
$$;
comment on function ops_private.order_snooze(jsonb) is 'Nothing is heard of a proposal until then.';
revoke all on function ops_private.order_snooze(jsonb) from public, anon, authenticated, service_role;

create function ops_private.destroyed_with(token text) returns setof uuid
language sql stable set search_path = '' as $$
  select distinct case when s.subject ->> 'namespace' <> '' then coalesce(v.project_id, p.id) end
  from ops.plans k
  cross join lateral jsonb_to_recordset(k.document -> 'steps') as s(subject jsonb, destructive boolean, project text)
  left join ops.resources v on v.kind = s.subject ->> 'kind' and v.namespace = s.subject ->> 'namespace'
    and v.name = s.subject ->> 'name'
  left join ops.projects p on p.name = s.project and p.deleted_at is null
  where (k.destroy_token = token or k.document #>> '{inputs,hold_token}' = token) and s.destructive
$$;
comment on function ops_private.destroyed_with(text) is 'The projects of everything that the kept plans of a token destroy; null among them: something cluster-scoped, or whose project nobody knows.';
revoke all on function ops_private.destroyed_with(text) from public, anon, authenticated, service_role;

create function ops_private.order_confirm(args jsonb) returns uuid
language plpgsql set search_path = '' as $$
declare
  wanted text := lower(args ->> 'token');
  touched uuid[] := array(select ops_private.destroyed_with(wanted));
  what text := format('confirm: token "%s"', wanted);
begin
  -- One who has no part in it learns nothing of it.
  if not exists (select 1 from unnest(touched) t where ops_private.my_role(t) is not null) then
    perform ops_private.refuse('PT404', 'NotFound', what || ' is of no plan that waits; wbx plan shows what does');
  end if;
  if array_position(touched, null) is not null and not ops_private.is_platform() then
    perform ops_private.refuse('42501', 'Forbidden', what
      || ' destroys something cluster-scoped too: only the platform team confirms that');
  end if;
  if exists (select 1 from unnest(touched) t
             where ops_private.role_rank(ops_private.my_role(t)) < ops_private.role_rank('admin')) then
    perform ops_private.refuse('42501', 'Forbidden', what
      || ' takes the role admin in each project that it destroys something of');
  end if;
  return ops_private.record_for_caller('confirm', null, '', null,
    case when cardinality(touched) = 1 then touched[1] end, args || jsonb_build_object('token', wanted), false);
end
$$;
comment on function ops_private.order_confirm(jsonb) is 'Lets a held plan happen: by an admin of every project of which it destroys something.';
revoke all on function ops_private.order_confirm(jsonb) from public, anon, authenticated, service_role;

create function ops_private.new_run_id() returns uuid
language sql volatile set search_path = '' as $$
  select overlay(overlay(replace(gen_random_uuid()::text, '-', '')
    placing lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0') from 1 for 12)
    placing '7' from 13 for 1)::uuid
$$;
comment on function ops_private.new_run_id() is 'A UUID of version 7: sorts by the time of its making.';
revoke all on function ops_private.new_run_id() from public, anon, authenticated, service_role;

create function ops_private.intervene(verb text, kind text, namespace text, name text, args jsonb) returns uuid
language plpgsql security definer set search_path = '' as $$
begin
  if ops_private.least_role(verb) is null then
    perform ops_private.refuse('PT400', 'UnknownVerb', format('intervention: "%s" is not known', left(verb, 40)));
  end if;
  perform ops_private.caller_actor();
  perform ops_private.check_args(verb, args);
  return case
    when verb = 'cancel' then ops_private.order_cancel(args)
    when verb = 'confirm' then ops_private.order_confirm(args)
    when verb = 'snooze' then ops_private.order_snooze(args)
    when verb = 'rerun' and args ? 'run_id' then ops_private.order_rerun(args, ops_private.new_run_id())
    else ops_private.order_of_resource(verb, kind, coalesce(namespace, ''), name, args)
  end;
end
$$;
comment on function ops_private.intervene(text, text, text, text, jsonb) is 'The one door for orders of callers.';
revoke all on function ops_private.intervene(text, text, text, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function ops_private.intervene(text, text, text, text, jsonb) to authenticated;

create function ops_private.rerun(run_id uuid) returns uuid
language plpgsql security definer set search_path = '' as $$
declare
  fresh uuid := ops_private.new_run_id();
begin
  perform ops_private.caller_actor();
  perform ops_private.order_rerun(jsonb_build_object('run_id', run_id), fresh);
  return fresh;
end
$$;
comment on function ops_private.rerun(uuid) is 'The order to execute a run again; answers the new run''s id.';
revoke all on function ops_private.rerun(uuid) from public, anon, authenticated, service_role;
grant execute on function ops_private.rerun(uuid) to authenticated;

create function ops.intervene(verb text, kind text default null, namespace text default '', name text default null,
  args jsonb default '{}') returns uuid
language sql set search_path = '' as $$ select ops_private.intervene(verb, kind, namespace, name, args) $$;
comment on function ops.intervene(text, text, text, text, jsonb) is 'Order something: of a resource, or, for cancel, confirm, snooze and rerun, of what args name. The order''s id.';

create function ops.suspend(kind text, namespace text, name text) returns uuid
language sql set search_path = '' as $$ select ops_private.intervene('suspend', kind, namespace, name, '{}') $$;
comment on function ops.suspend(text, text, text) is 'Nothing more is done for the resource until it is resumed.';

create function ops.resume(kind text, namespace text, name text, revert boolean default false) returns uuid
language sql set search_path = '' as $$
  select ops_private.intervene('resume', kind, namespace, name, jsonb_build_object('revert', coalesce(revert, false)))
$$;
comment on function ops.resume(text, text, text, boolean) is 'Ends a suspension or a stop; revert: undo what drifted.';

create function ops.confirm(token text) returns uuid
language sql set search_path = '' as $$
  select ops_private.intervene('confirm', null, '', null, jsonb_build_object('token', token))
$$;
comment on function ops.confirm(text) is 'Let a held destructive plan happen.';

create function ops.cancel(run_id uuid) returns uuid
language sql set search_path = '' as $$
  select ops_private.intervene('cancel', null, '', null, jsonb_build_object('run_id', run_id))
$$;
comment on function ops.cancel(uuid) is 'End a run; it is cancelled once the provider confirms it.';

create function ops.snooze(proposal_id uuid, until timestamptz) returns uuid
language sql set search_path = '' as $$
  select ops_private.intervene('snooze', null, '', null, jsonb_build_object('proposal_id', proposal_id,
    'until', to_char(until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))
$$;
comment on function ops.snooze(uuid, timestamptz) is 'Hear nothing of a proposal until then.';

create function ops.rerun(run_id uuid) returns uuid
language sql set search_path = '' as $$ select ops_private.rerun(run_id) $$;
comment on function ops.rerun(uuid) is 'Execute an ended run again as it was: same code, runtime, inputs, parameters, seed. The new run''s id.';

do $$
declare
  door regprocedure;
begin
  foreach door in array array['ops.intervene(text, text, text, text, jsonb)', 'ops.suspend(text, text, text)',
    'ops.resume(text, text, text, boolean)', 'ops.confirm(text)', 'ops.cancel(uuid)', 'ops.snooze(uuid, timestamptz)',
    'ops.rerun(uuid)']::regprocedure[]
  loop
    execute format('revoke all on function %s from public, anon, service_role', door);
    execute format('grant execute on function %s to authenticated', door);
  end loop;
end
$$;
