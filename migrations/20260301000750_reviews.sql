-- ops.review_states, ops.pull_reviews, ops.commit_reports, ops.merge_bounds: what forges are told of pull requests and of commits.

set lock_timeout = '5s';
set statement_timeout = '60s';

create table ops.review_states (
  source text primary key check (source <> ''),
  held_by text,
  held_until timestamptz,
  due_at timestamptz not null default now(),
  asked_at timestamptz,
  looked_at timestamptz,
  message text not null default '',
  constraint review_states_held check ((held_by is null) = (held_until is null))
) with (fillfactor = 50);
comment on table ops.review_states is 'One row a Source with a forge: which worker tells the forge, and when it looks next.';
comment on column ops.review_states.source is 'The source as ops.declared names it.';
comment on column ops.review_states.held_by is 'The worker that tells the forge now.';
comment on column ops.review_states.held_until is 'Until when; afterwards another may.';
comment on column ops.review_states.due_at is 'When the forge is asked next; later where it asked to slow down.';
comment on column ops.review_states.asked_at is 'When a webhook said last that there is something new.';
comment on column ops.review_states.looked_at is 'When a look ended last.';
comment on column ops.review_states.message is 'Why the last look did not end well: one line, no secret. Empty: it did.';

create table ops.pull_reviews (
  source text not null references ops.review_states (source) on delete cascade,
  number bigint not null check (number > 0),
  head text not null,
  base text not null,
  epochs text not null,
  tree text not null,
  plan_id text,
  destroys jsonb not null default '[]' check (jsonb_typeof(destroys) = 'array'),
  verdict text not null check (verdict in ('pending', 'success', 'failure', 'error')),
  title text not null,
  digest text not null,
  posted text not null default '',
  reviewed_at timestamptz not null default now(),
  posted_at timestamptz,
  primary key (source, number)
);
comment on table ops.pull_reviews is 'The latest review of each pull request: what its merge would do, and whether the forge knows.';
comment on column ops.pull_reviews.source is 'The source that its merge would change.';
comment on column ops.pull_reviews.number is 'Its number at the forge.';
comment on column ops.pull_reviews.head is 'Its commit.';
comment on column ops.pull_reviews.base is 'The commit of the target branch with which it was merged.';
comment on column ops.pull_reviews.epochs is 'What was declared then: another one is another question.';
comment on column ops.pull_reviews.tree is 'Id of the folder of the Source in the merge: a squash or rebase is known by it.';
comment on column ops.pull_reviews.plan_id is 'The plan that was kept.';
comment on column ops.pull_reviews.destroys is 'What the plan destroys or holds back from destroying, as [kind, namespace, name].';
comment on column ops.pull_reviews.verdict is 'What was decided.';
comment on column ops.pull_reviews.title is 'The same in one line.';
comment on column ops.pull_reviews.digest is 'sha256 of all that is to be said.';
comment on column ops.pull_reviews.posted is 'sha256 of what was said last; another one is still to be said.';
comment on column ops.pull_reviews.reviewed_at is 'When it was judged.';
comment on column ops.pull_reviews.posted_at is 'When the forge took what was said last.';
create index pull_reviews_tree on ops.pull_reviews (source, tree);

create table ops.commit_reports (
  source text not null references ops.review_states (source) on delete cascade,
  "commit" text not null,
  context text not null,
  number bigint,
  verdict text not null default 'pending' check (verdict in ('pending', 'success', 'failure', 'error')),
  posted text not null default '',
  posted_at timestamptz,
  created_at timestamptz not null default now(),
  ended_at timestamptz,
  primary key (source, "commit", context)
);
comment on table ops.commit_reports is 'What each commit was told last of what has come of it.';
comment on column ops.commit_reports.source is 'The source that applied it.';
comment on column ops.commit_reports."commit" is 'The commit.';
comment on column ops.commit_reports.context is 'The name under which it is told.';
comment on column ops.commit_reports.number is 'The pull request that brought it; null: none is known.';
comment on column ops.commit_reports.verdict is 'What was said last.';
comment on column ops.commit_reports.posted is 'sha256 of that; another one is still to be said.';
comment on column ops.commit_reports.posted_at is 'When the forge took it.';
comment on column ops.commit_reports.created_at is 'When the commit was first seen in force.';
comment on column ops.commit_reports.ended_at is 'When its last word was said: settled, or superseded.';
create index commit_reports_open on ops.commit_reports (source, created_at) where ended_at is null;

create table ops.merge_bounds (
  source text primary key,
  "commit" text not null,
  number bigint,
  destroys jsonb check (jsonb_typeof(destroys) = 'array'),
  decided_at timestamptz not null default now()
);
comment on table ops.merge_bounds is 'What the commit in force of each reviewed Source may destroy.';
comment on column ops.merge_bounds.source is 'The source.';
comment on column ops.merge_bounds."commit" is 'The commit that this was decided for; of any other one nothing is decided yet, so that it destroys nothing.';
comment on column ops.merge_bounds.number is 'The pull request that brought it.';
comment on column ops.merge_bounds.destroys is 'A mark (sha256, 32 digits) of each thing that its reviewed plan destroyed; null: no pull request brought it, so that only the brakes count.';
comment on column ops.merge_bounds.decided_at is 'When it was decided.';

alter table ops.review_states enable row level security;
alter table ops.pull_reviews enable row level security;
alter table ops.commit_reports enable row level security;
alter table ops.merge_bounds enable row level security;
revoke all on ops.review_states, ops.pull_reviews, ops.commit_reports, ops.merge_bounds
  from public, anon, authenticated, service_role;
grant select, insert, update, delete on ops.review_states, ops.pull_reviews, ops.commit_reports, ops.merge_bounds to service_role;
create policy review_states_nobody on ops.review_states for select to authenticated using (false);
create policy pull_reviews_nobody on ops.pull_reviews for select to authenticated using (false);
create policy commit_reports_nobody on ops.commit_reports for select to authenticated using (false);
create policy merge_bounds_members_read on ops.merge_bounds for select to authenticated
  using ((select ops_private.is_member()));
grant select on ops.merge_bounds to authenticated;

create function ops_private.notify_review_asked() returns trigger
language plpgsql set search_path = '' as $$
begin
  if exists (select source, asked_at from changed except select source, asked_at from before) then
    perform pg_notify('ops_changed', '');
  end if;
  return null;
end
$$;
comment on function ops_private.notify_review_asked() is 'Trigger: a webhook told of something new; a look of a worker wakes nobody.';
revoke all on function ops_private.notify_review_asked() from public, anon, authenticated, service_role;

create trigger review_states_updated after update on ops.review_states
referencing old table as before new table as changed for each statement execute function ops_private.notify_review_asked();
create trigger merge_bounds_inserted after insert on ops.merge_bounds
referencing new table as changed for each statement execute function ops_private.notify_changed();
create trigger merge_bounds_updated after update on ops.merge_bounds
referencing old table as before new table as changed for each statement execute function ops_private.notify_changed();
