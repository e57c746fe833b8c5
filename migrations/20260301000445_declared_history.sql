-- What the files said when: every version of a document, and every commit that was read. Written by triggers, so that no
-- writer of ops.declared can forget it.

create table ops.declared_history (
  id bigint generated always as identity primary key,
  kind text not null,
  namespace text not null,
  name text not null,
  project text,
  spec jsonb,
  hash text not null check (octet_length(hash) in (0, 64) and hash ~ '^[0-9a-f]*$'),
  problem text,
  source text not null,
  "commit" text,
  path text,
  line integer,
  deleted boolean not null default false,
  valid_from timestamptz not null default now()
);
comment on table ops.declared_history is 'Append-only: a row whenever a document''s hash, project, problem, source or path changes. Valid until the next row of the same identity.';
comment on column ops.declared_history.id is 'Order of writing.';
comment on column ops.declared_history.kind is 'Kind.';
comment on column ops.declared_history.namespace is 'Namespace.';
comment on column ops.declared_history.name is 'Name.';
comment on column ops.declared_history.project is 'The project that the document named, whose members may read it; null: cluster-scoped.';
comment on column ops.declared_history.spec is 'The spec that was in force.';
comment on column ops.declared_history.hash is 'Its sha256.';
comment on column ops.declared_history.problem is 'What was wrong with the document as it stood.';
comment on column ops.declared_history.source is 'The source that declared it.';
comment on column ops.declared_history."commit" is 'The commit that this version came with.';
comment on column ops.declared_history.path is 'File.';
comment on column ops.declared_history.line is 'Line in the file.';
comment on column ops.declared_history.deleted is 'Whether it ceased to be declared.';
comment on column ops.declared_history.valid_from is 'Since when.';
create index declared_history_key on ops.declared_history (kind, namespace, name, valid_from desc, id desc);
create index declared_history_project on ops.declared_history (project, valid_from desc);

create table ops.declared_commits (
  id bigint generated always as identity primary key,
  source text not null,
  "commit" text,
  at timestamptz not null default now()
);
comment on table ops.declared_commits is 'Append-only: a row whenever a source was read at another commit than before. Current until the next row of the same source.';
comment on column ops.declared_commits.id is 'Order of writing.';
comment on column ops.declared_commits.source is 'The source.';
comment on column ops.declared_commits."commit" is 'The commit; null: a tree that was not committed.';
comment on column ops.declared_commits.at is 'When it was read first.';
create index declared_commits_commit on ops.declared_commits ("commit" text_pattern_ops);
create index declared_commits_source on ops.declared_commits (source, id);

create trigger declared_history_append_only before update or delete or truncate on ops.declared_history
for each statement execute function ops_private.refuse_change();
create trigger declared_commits_append_only before update or delete or truncate on ops.declared_commits
for each statement execute function ops_private.refuse_change();

alter table ops.declared_history enable row level security;
alter table ops.declared_commits enable row level security;
revoke all on ops.declared_history, ops.declared_commits from public, anon, authenticated, service_role;
revoke all on sequence ops.declared_history_id_seq, ops.declared_commits_id_seq from public, anon, authenticated, service_role;
grant select on ops.declared_history, ops.declared_commits to authenticated;
grant select, insert on ops.declared_history, ops.declared_commits to service_role;
create policy declared_history_members_read on ops.declared_history for select to authenticated
  using (project = any (array(select ops_private.my_project_names()))
         or (project is null and (select ops_private.is_member()))
         or (select ops_private.is_platform()));
create policy declared_commits_members_read on ops.declared_commits for select to authenticated
  using ((select ops_private.is_member()));

create function ops_private.note_declared() returns trigger
language plpgsql set search_path = '' as $$
begin
  insert into ops.declared_history (kind, namespace, name, project, spec, hash, problem, source, "commit", path, line, deleted)
  select kind, namespace, name, project, case when tg_op <> 'DELETE' then spec end, hash, problem, source, "commit", path,
    line, tg_op = 'DELETE'
  from changed;
  return null;
end
$$;
comment on function ops_private.note_declared() is 'Trigger: keeps the versions of documents that came or went.';
revoke all on function ops_private.note_declared() from public, anon, authenticated, service_role;

-- Transition tables are planned blind: without the setting, a join of two large ones would be a nested loop.
create function ops_private.note_redeclared() returns trigger
language plpgsql set search_path = '' set enable_nestloop = off as $$
begin
  insert into ops.declared_history (kind, namespace, name, project, spec, hash, problem, source, "commit", path, line)
  select n.kind, n.namespace, n.name, n.project, n.spec, n.hash, n.problem, n.source, n."commit", n.path, n.line
  from changed n join before o using (kind, namespace, name)
  where (n.hash, n.project, n.problem, n.source, n.path) is distinct from (o.hash, o.project, o.problem, o.source, o.path);
  return null;
end
$$;
comment on function ops_private.note_redeclared() is 'Trigger: keeps the versions of documents that changed.';
revoke all on function ops_private.note_redeclared() from public, anon, authenticated, service_role;

create function ops_private.note_commit() returns trigger
language plpgsql set search_path = '' as $$
begin
  insert into ops.declared_commits (source, "commit") values (new.source, new."commit");
  return null;
end
$$;
comment on function ops_private.note_commit() is 'Trigger: keeps the commits that a source was read at.';
revoke all on function ops_private.note_commit() from public, anon, authenticated, service_role;

create trigger declared_kept_insert after insert on ops.declared
referencing new table as changed for each statement execute function ops_private.note_declared();
create trigger declared_kept_update after update on ops.declared
referencing old table as before new table as changed for each statement execute function ops_private.note_redeclared();
create trigger declared_kept_delete after delete on ops.declared
referencing old table as changed for each statement execute function ops_private.note_declared();
create trigger declared_commits_insert after insert on ops.declared_epochs
for each row execute function ops_private.note_commit();
create trigger declared_commits_update after update on ops.declared_epochs
for each row when (old."commit" is distinct from new."commit") execute function ops_private.note_commit();

create view ops.declared_timeline with (security_invoker = true) as
select h.*, lead(valid_from) over (partition by kind, namespace, name order by valid_from, id) as valid_until
from ops.declared_history h;
comment on view ops.declared_timeline is 'ops.declared_history with the end of each version''s validity.';
revoke all on ops.declared_timeline from public, anon, authenticated, service_role;
grant select on ops.declared_timeline to authenticated, service_role;
