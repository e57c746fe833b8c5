-- FixBot: what models were asked about failed runs, so that nobody is asked, and paid, twice for the same cause.

set lock_timeout = '5s';
set statement_timeout = '60s';

create table if not exists ops.fix_answers (
  source text not null,
  cause text not null check (length(cause) = 64),
  project_id uuid not null,
  kind text not null,
  namespace text not null default '',
  name text not null,
  alias text not null,
  state text not null default 'asked' check (state in ('asked', 'refused', 'accepted')),
  tries bigint not null default 1,
  message text not null default '',
  document jsonb not null default '{}' check (jsonb_typeof(document) = 'object'),
  asked_at timestamptz not null default now(),
  primary key (source, cause)
);
comment on table ops.fix_answers is 'FixBot: one row for each cause that a model was asked about, written before it is asked.';
comment on column ops.fix_answers.source is 'The source whose files an answer changes.';
comment on column ops.fix_answers.cause is 'Fingerprint of the finding: the resource, how it failed, and its files.';
comment on column ops.fix_answers.project_id is 'The project that pays.';
comment on column ops.fix_answers.kind is 'Kind of the resource whose run failed.';
comment on column ops.fix_answers.namespace is 'Its namespace.';
comment on column ops.fix_answers.name is 'Its name.';
comment on column ops.fix_answers.alias is 'The alias that was asked.';
comment on column ops.fix_answers.state is 'asked: there is no answer yet; refused: it may not be proposed; accepted: it is proposed.';
comment on column ops.fix_answers.tries is 'How often a model was asked.';
comment on column ops.fix_answers.message is 'Why there is no answer, or why it is refused.';
comment on column ops.fix_answers.document is 'The answer, and the run that it was.';
comment on column ops.fix_answers.asked_at is 'When it was asked last.';
create index if not exists fix_answers_project on ops.fix_answers (project_id, asked_at);
alter table ops.fix_answers enable row level security;
revoke all on ops.fix_answers from public, anon, authenticated, service_role;
grant select, insert, update on ops.fix_answers to service_role;
create policy fix_answers_nobody on ops.fix_answers for select to authenticated using (false);
