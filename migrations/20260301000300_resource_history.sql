-- ops.resource_history: what was true at time T.

create table ops.resource_history (
  id bigint generated always as identity primary key,
  uid uuid not null,
  kind text not null,
  namespace text not null default '',
  name text not null,
  project_id uuid,
  action text not null,
  declared_hash text not null default '',
  generation bigint not null,
  state text not null,
  ready boolean not null,
  reason text not null,
  external_id text,
  revision text,
  "commit" text,
  run_id uuid,
  spec jsonb,
  deleted boolean not null default false,
  valid_from timestamptz not null default now()
);
comment on table ops.resource_history is 'Append-only: a row whenever declared hash, state, Ready reason, external id or revision changes. Valid until the next row of the same resource.';
comment on column ops.resource_history.id is 'Order of writing.';
comment on column ops.resource_history.uid is 'The resource.';
comment on column ops.resource_history.kind is 'Its kind.';
comment on column ops.resource_history.namespace is 'Its namespace.';
comment on column ops.resource_history.name is 'Its name then.';
comment on column ops.resource_history.project_id is 'Its project then.';
comment on column ops.resource_history.action is 'What changed it: create, update, delete, forget, or verdict.';
comment on column ops.resource_history.declared_hash is 'The spec in force.';
comment on column ops.resource_history.generation is 'Its number.';
comment on column ops.resource_history.state is 'State.';
comment on column ops.resource_history.ready is 'Ready.';
comment on column ops.resource_history.reason is 'Reason of Ready.';
comment on column ops.resource_history.external_id is 'Living object.';
comment on column ops.resource_history.revision is 'Resolved revision.';
comment on column ops.resource_history."commit" is 'Commit of the spec in force.';
comment on column ops.resource_history.run_id is 'The run that changed it.';
comment on column ops.resource_history.spec is 'The spec, where it is new; else the one before it.';
comment on column ops.resource_history.deleted is 'Whether it ceased to live.';
comment on column ops.resource_history.valid_from is 'Since when.';
create index resource_history_uid on ops.resource_history (uid, valid_from desc, id desc);
create index resource_history_destroyed on ops.resource_history (valid_from) where deleted;
create index resource_history_project on ops.resource_history (project_id, valid_from desc);
create trigger resource_history_append_only before update or delete or truncate on ops.resource_history
for each statement execute function ops_private.refuse_change();
select ops_private.protect('ops.resource_history');
revoke update on ops.resource_history from service_role;

create view ops.resource_timeline with (security_invoker = true) as
select h.*, lead(valid_from) over (partition by uid order by valid_from, id) as valid_until
from ops.resource_history h;
comment on view ops.resource_timeline is 'ops.resource_history with the end of each row''s validity.';
revoke all on ops.resource_timeline from public, anon, authenticated, service_role;
grant select on ops.resource_timeline to authenticated, service_role;
