-- ops.model_probes: how the revisions of ModelDeployments answered their health question (spec.probe). One row for each revision
-- that was ever to be asked. Any number of gateways ask together: whoever moves due_at on is the one that asks.
set lock_timeout = '5s';
set statement_timeout = '60s';

create table ops.model_probes (
  deployment_id uuid not null,
  revision text not null check (length(revision) between 1 and 64),
  project_id uuid not null,
  due_at timestamptz not null,
  passed boolean not null default false,
  failures integer not null default 0 check (failures >= 0),
  message text not null default '',
  probed_at timestamptz,
  primary key (deployment_id, revision)
) with (fillfactor = 50);
comment on table ops.model_probes is 'How the revisions of ModelDeployments answered their health question (spec.probe).';
comment on column ops.model_probes.deployment_id is 'The ModelDeployment.';
comment on column ops.model_probes.revision is 'Its revision, as facts.serving names it.';
comment on column ops.model_probes.project_id is 'The project that pays for the question.';
comment on column ops.model_probes.due_at is 'From when on it is asked again.';
comment on column ops.model_probes.passed is 'Whether it is in rotation: it answered well, and did not fail spec.probe.failures times in a row since.';
comment on column ops.model_probes.failures is 'How often in a row it failed.';
comment on column ops.model_probes.message is 'Why it failed last: one line, no secret; empty: it answered well.';
comment on column ops.model_probes.probed_at is 'When it was asked last; null: never.';
create index model_probes_project_id on ops.model_probes (project_id);
select ops_private.protect('ops.model_probes');

create function ops_private.notify_model_probed() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select deployment_id, revision, passed, message from changed
             except select deployment_id, revision, passed, message from before) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_model_probed() is 'Trigger: a revision went in or out of rotation, or failed otherwise than before; a good answer after a good one wakes nobody.';
revoke all on function ops_private.notify_model_probed() from public, anon, authenticated, service_role;

create trigger model_probes_updated after update on ops.model_probes
referencing old table as before new table as changed for each statement execute function ops_private.notify_model_probed();
