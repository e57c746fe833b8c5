-- ops.anchors: which root in storage vouches for which ended runs (decision 060).

create table ops.anchors (
  number bigint primary key check (number > 0),
  day date not null,
  root text not null check (octet_length(root) = 64 and root !~ '[^0-9a-f]'),
  prev text not null default '' check (octet_length(prev) in (0, 64) and prev !~ '[^0-9a-f]'),
  runs bigint not null check (runs > 0),
  events bigint not null check (events >= runs),
  key text not null,
  created_at timestamptz not null default now(),
  check (key = 'sha256/' || root)
);
comment on table ops.anchors is 'Append-only: roots over the heads of ended runs, stored write-once. The storage''s own list of them is what counts; this is a copy.';
comment on column ops.anchors.number is 'Counts the anchors of this installation, from 1.';
comment on column ops.anchors.day is 'The last day (UTC) that it covers.';
comment on column ops.anchors.root is 'sha256 of the stored document, 64 hex digits.';
comment on column ops.anchors.prev is 'The root of the anchor before, which the document names; empty for the first.';
comment on column ops.anchors.runs is 'How many runs it lists.';
comment on column ops.anchors.events is 'How many events their chains had together.';
comment on column ops.anchors.key is 'sha256/<root>: where the document lies.';
comment on column ops.anchors.created_at is 'When it was recorded.';
create trigger anchors_append_only before update or delete or truncate on ops.anchors
for each statement execute function ops_private.refuse_change();
alter table ops.anchors enable row level security;
revoke all on ops.anchors from public, anon, authenticated, service_role;
grant select on ops.anchors to authenticated;
grant select, insert on ops.anchors to service_role;
create policy anchors_members_read on ops.anchors for select to authenticated
  using ((select ops_private.is_member()));

alter table ops.runs add column anchor bigint;
comment on column ops.runs.anchor is 'The anchor that holds the head of its chain as it is now; null: none does yet.';
-- Its columns change when a run ends and when it is anchored, never while events are appended: those updates stay HOT.
create index runs_unanchored on ops.runs (run_id) where ended_at is not null and anchor is null;

create function ops_private.unanchor() returns trigger
language plpgsql set search_path = '' as $$
begin
  new.anchor := null;
  return new;
end
$$;
comment on function ops_private.unanchor() is 'Trigger: a chain that grew after it was anchored is due for the next anchor.';
revoke all on function ops_private.unanchor() from public, anon, authenticated, service_role;
create trigger runs_unanchor before update of event_seq on ops.runs for each row
when (old.anchor is not null and new.event_seq is distinct from old.event_seq)
execute function ops_private.unanchor();
