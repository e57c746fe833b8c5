-- ops.resources: all living resources in one shape.

create view ops.resources with (security_invoker = true) as
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.projects where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.datasets where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.runtimes where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.sessions where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.runner_jobs where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.experiments where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.experiment_runs where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.models where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.model_deployments where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.apps where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.app_deployments where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.templates where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.sources where deleted_at is null
union all
select kind, id, project_id, namespace, name, declared_hash, generation, state, ready, reason, message, external_id, provider,
  last_run_id, owned, source, source_repo, source_commit, source_path, source_line, spec, facts, conditions, created_at, updated_at
from ops.providers where deleted_at is null;
comment on view ops.resources is 'All living resources in one shape, as their reader may see them.';
revoke all on ops.resources from public, anon, authenticated, service_role;
grant select on ops.resources to authenticated, service_role;
