-- ops.runner_jobs: Commands run to completion, once for each version or on a schedule.

create table ops.runner_jobs (
  like ops_private.resource including defaults including constraints including comments,
  runtime text generated always as (spec ->> 'runtime') stored,
  schedule text generated always as (spec ->> 'schedule') stored
);
comment on table ops.runner_jobs is 'Commands run to completion, once for each version or on a schedule.';
comment on column ops.runner_jobs.runtime is 'The Runtime that it runs on.';
comment on column ops.runner_jobs.schedule is 'Cron expression; null: once for each version of its spec.';
create unique index runner_jobs_living_name on ops.runner_jobs (namespace, name) where deleted_at is null;
select ops_private.make_resource_table('ops.runner_jobs', 'RunnerJob');
