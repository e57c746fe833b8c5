-- What models answered about failed runs is read by members of the project that pays, and goes with time; what FixBot found and
-- does not propose is told with why. What was added to ops.webhook_deliveries is checked: all rows are good, the columns are new.

set lock_timeout = '5s'; set statement_timeout = '60s';

alter table ops.webhook_deliveries validate constraint webhook_deliveries_told;

drop policy fix_answers_nobody on ops.fix_answers;
create policy fix_answers_members_read on ops.fix_answers for select to authenticated
  using (project_id = any (array(select ops_private.my_projects())));
grant select on ops.fix_answers to authenticated;
grant delete on ops.fix_answers to service_role;

create table ops.fix_waits (
  source text not null,
  fingerprint text not null,
  project_id uuid,
  rule text not null,
  kind text not null,
  namespace text not null default '',
  name text not null,
  field text not null default '',
  state text not null check (state in ('capped', 'manual', 'refused')),
  why text not null,
  since timestamptz not null default now(),
  primary key (source, fingerprint)
);
comment on table ops.fix_waits is 'FixBot: what it found at its last look and has no pull request for, with why. Beside it, ops.fix_proposals has those that have one.';
comment on column ops.fix_waits.source is 'The source whose files would be changed.';
comment on column ops.fix_waits.fingerprint is 'Names the cause, as in ops.fix_proposals.';
comment on column ops.fix_waits.project_id is 'The project whose members may read it; null: it is cluster-scoped.';
comment on column ops.fix_waits.rule is 'The rule that found it.';
comment on column ops.fix_waits.kind is 'Kind of the resource.';
comment on column ops.fix_waits.namespace is 'Its namespace.';
comment on column ops.fix_waits.name is 'Its name.';
comment on column ops.fix_waits.field is 'What of it is wrong.';
comment on column ops.fix_waits.state is 'capped: as many pull requests are open, or were made lately, as may be; manual: a person must mend it; refused: the change may not be proposed.';
comment on column ops.fix_waits.why is 'The same in a sentence.';
comment on column ops.fix_waits.since is 'When this was found first.';
create index fix_waits_project on ops.fix_waits (project_id);
select ops_private.protect('ops.fix_waits');
grant delete on ops.fix_waits to service_role;
