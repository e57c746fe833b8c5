-- What the first release lacked: grammar of digests and states as CHECKs, numbers as numbers, an index for every foreign
-- key (decision 051). Again, and where a database has it already, this changes nothing.

do $$
declare
  wish record;
begin
  perform set_config('lock_timeout', '10s', true);
  for wish in
    select v.target, v.name, v.rule from (
      select k.conrelid::regclass::text as target, k.conname::text as name,
        $r$octet_length(declared_hash) in (0, 64) and declared_hash ~ '^[0-9a-f]*$'$r$ as rule
      from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid
      where k.conname = 'resource_declared_hash_check'
        and c.relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)
      union all
      values
        ('ops.datasets', 'datasets_sha256_check', $r$octet_length(sha256) = 64 and sha256 ~ '^[0-9a-f]*$'$r$),
        ('ops.runtimes', 'runtimes_image_check', $r$image ~ '@sha256:[0-9a-f]{64}$'$r$),
        ('ops.declared', 'declared_hash_check', $r$octet_length(hash) in (0, 64) and hash ~ '^[0-9a-f]*$'$r$),
        ('ops.runs', 'runs_execution_hash_check',
          $r$octet_length(execution_hash) in (0, 64) and execution_hash ~ '^[0-9a-f]*$'$r$),
        ('ops.runs', 'runs_event_hash_check', 'octet_length(event_hash) in (0, 32)'),
        ('ops.runs', 'runs_event_head_check', 'octet_length(event_head) in (0, 32)'),
        ('ops.event_batches', 'event_batches_prev_hash_check', 'octet_length(prev_hash) in (0, 32)'),
        ('ops.observations', 'observations_state_check',
          $r$state in ('created', 'running', 'exited', 'failed', 'unknown')$r$),
        ('ops.plans', 'plans_destroy_token_check', $r$destroy_token ~ '^([0-9a-f]{12})?$'$r$),
        ('ops.resource_history', 'resource_history_declared_hash_check',
          $r$octet_length(declared_hash) in (0, 64) and declared_hash ~ '^[0-9a-f]*$'$r$),
        ('ops.resource_history', 'resource_history_state_check', $r$state ~ '^[A-Z][A-Za-z]+$'$r$)
    ) as v(target, name, rule)
    left join pg_catalog.pg_constraint k on k.conrelid = v.target::regclass and k.conname = v.name
    where k.oid is null or pg_catalog.pg_get_constraintdef(k.oid) ~ 'hash ~ ''\^\('
  loop
    execute format('alter table %1$s drop constraint if exists %2$I, add constraint %2$I check (%3$s)',
      wish.target, wish.name, wish.rule);
  end loop;
end
$$;

-- A generated column holds nothing of its own: it is made again from the document.
do $$
declare
  wish record;
begin
  for wish in
    select v.* from (values
      ('ops.projects'::regclass, 'monthly_budget_usd', 'numeric(14, 6)', $v$case
        when spec #>> '{budget,monthlyUSD}' ~ '^[0-9]{1,8}([.][0-9]+)?$'
        then (spec #>> '{budget,monthlyUSD}')::numeric(14, 6) end$v$),
      ('ops.apps'::regclass, 'port', 'integer',
        $v$case when spec ->> 'port' ~ '^[0-9]{1,5}$' then (spec ->> 'port')::integer end$v$)
    ) as v(target, name, type, value)
    join pg_catalog.pg_attribute a on a.attrelid = v.target and a.attname = v.name
    where a.atttypid = 'text'::regtype
  loop
    execute format('alter table %s drop column %I', wish.target, wish.name);
    execute format('alter table %s add column %I %s generated always as (%s) stored',
      wish.target, wish.name, wish.type, wish.value);
  end loop;
end
$$;
comment on column ops.projects.monthly_budget_usd is 'Declared monthly budget in USD.';
comment on column ops.apps.port is 'The port that it listens on.';

create index if not exists sandbox_runs_resource on ops.sandbox_runs (resource_uid);
create index if not exists observations_resource on ops.observations (resource_uid);
create index if not exists plans_run on ops.plans (run_id);
create index if not exists interventions_run on ops.interventions (applied_run_id) where applied_run_id is not null;
create index if not exists fix_proposals_run on ops.fix_proposals (run_id);
create index if not exists usage_resource on ops.usage (resource_uid);
create index if not exists resource_history_run on ops.resource_history (run_id);
