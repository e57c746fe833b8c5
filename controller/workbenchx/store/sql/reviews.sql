-- name: enrol
-- A row for each declared Source that names a forge.
insert into ops.review_states (source)
select d.namespace || '/' || d.name from ops.declared d
where d.kind = 'Source' and d.good and jsonb_typeof(d.spec -> 'forge') = 'object'
on conflict (source) do nothing;

-- name: hold
-- Those that are due, held by this worker for a while; what another holds is skipped. A commit that is not settled, or not
-- known yet, is looked at whenever somebody looks; but a forge that asked to slow down is left alone.
with due as (
  select s.source, d.namespace, d.name, d.project, d.spec, s.due_at <= now() as polls from ops.review_states s
  join ops.declared d on d.kind = 'Source' and d.namespace || '/' || d.name = s.source and d.good
    and jsonb_typeof(d.spec -> 'forge') = 'object'
  where (s.held_until is null or s.held_until < now()) and (s.due_at <= now() or (s.message = '' and (
    exists (select 1 from ops.commit_reports c where c.source = s.source and c.ended_at is null)
    or exists (select 1 from ops.declared_epochs e where e.source = s.source and e."commit" is not null and not exists (
      select 1 from ops.commit_reports c where c.source = e.source and c."commit" = e."commit"))
    or exists (select 1 from ops.source_states f where f.source = s.source and f.applied is not null and not exists (
      select 1 from ops.commit_reports c where c.source = f.source and c."commit" = f.applied)))))
  order by s.due_at limit %(limit)s for update of s skip locked
)
update ops.review_states s set held_by = %(worker)s, held_until = now() + make_interval(secs => %(lease)s)
from due where due.source = s.source
returning s.source, due.namespace, due.name, due.project, due.spec, s.asked_at, due.polls;

-- name: keep
-- Hold it longer, if it is still ours.
update ops.review_states set held_until = now() + make_interval(secs => %(lease)s)
where source = %(source)s and held_by = %(worker)s and held_until >= now();

-- name: release
-- Let it go until it is due again. What was asked since the look began makes it due at once.
update ops.review_states set held_by = null, held_until = null, looked_at = now(), message = %(message)s,
  due_at = case when asked_at is distinct from %(asked_at)s and not %(slow)s then now()
                else coalesce(now() + make_interval(secs => %(pause)s::double precision), due_at) end
where source = %(source)s and held_by = %(worker)s;

-- name: next
-- Seconds until one is due, or what a dead worker held may be taken over.
select extract(epoch from min(greatest(s.due_at, coalesce(s.held_until, s.due_at))) - now())::double precision
from ops.review_states s join ops.declared d on d.kind = 'Source' and d.namespace || '/' || d.name = s.source
  and d.good and jsonb_typeof(d.spec -> 'forge') = 'object';

-- name: ask
-- Somebody says that there is something new in a repository. A forge that asked to slow down is not asked sooner for it.
update ops.review_states s set asked_at = now(),
  due_at = case when s.message = '' then least(s.due_at, now()) else s.due_at end
from ops.declared d
where d.kind = 'Source' and d.namespace || '/' || d.name = s.source
  and regexp_replace(d.spec ->> 'url', '(\.git)?/*$', '') = regexp_replace(%(url)s, '(\.git)?/*$', '');

-- name: pull_again
-- Somebody wants it said anew, once for each wish.
update ops.pull_reviews set again = %(again)s, posted = ''
where source = %(source)s and head = %(commit)s and again <> %(again)s;

-- name: commit_again
-- The same of what has come of a commit: it has no last word now.
update ops.commit_reports set again = %(again)s, posted = '', posted_at = null, ended_at = null
where source = %(source)s and "commit" = %(commit)s and context = coalesce(%(context)s::text, context) and again <> %(again)s;

-- name: epochs
-- What a review of a source rests on: what it declares itself, and what else is declared that its documents can have to do
-- with. Two texts that change with them: a row that is written gets the number of its reading, one that goes is missing.
with counted as (
  select coalesce(o.source, d.source) = %(source)s as own, d.source, count(*) as many, max(d.epoch) as newest
  from ops.declared d
  left join ops.source_objects o on d.source = 'cluster' and o.kind = d.kind and o.namespace = d.namespace and o.name = d.name
  where %(everything)s or d.namespace = %(namespace)s or d.project = %(project)s
    or (d.namespace = '' and (d.kind <> 'Project' or d.name = %(project)s))
  group by 1, 2
)
select coalesce(string_agg(source || ':' || many || ':' || newest, ' ' order by source collate "C") filter (where own), ''),
  coalesce(string_agg(source || ':' || many || ':' || newest, ' ' order by source collate "C") filter (where not own), '')
from counted;

-- name: mine
-- Whether this worker still holds it, until the end of the transaction.
select 1 from ops.review_states where source = %(source)s and held_by = %(worker)s and held_until >= now() for update;

-- name: reviews
-- The latest review of each pull request of a source.
select number, head, base, epochs, tree, verdict, title, digest, posted, destroys, plan_id, reviewed_at, again from ops.pull_reviews
where source = %(source)s;

-- name: record
-- A review; what was posted stays known, so that a crash after it says nothing twice.
insert into ops.pull_reviews as r (source, number, head, base, epochs, tree, plan_id, destroys, verdict, title, digest)
values (%(source)s, %(number)s, %(head)s, %(base)s, %(epochs)s, %(tree)s, %(plan_id)s, %(destroys)s::jsonb, %(verdict)s,
  %(title)s, %(digest)s)
on conflict (source, number) do update set head = excluded.head, base = excluded.base, epochs = excluded.epochs,
  tree = excluded.tree, plan_id = excluded.plan_id, destroys = excluded.destroys, verdict = excluded.verdict,
  title = excluded.title, digest = excluded.digest, reviewed_at = now();

-- name: posted
-- The forge took it. What somebody wants anew since is still to be said.
update ops.pull_reviews set posted = %(digest)s, posted_at = now()
where source = %(source)s and number = %(number)s and again = %(again)s;

-- name: in_force
-- The commit whose documents a source declares now; nothing where it has none. In a cluster it declares nothing itself.
select "commit" from ops.declared_epochs where source = %(source)s and "commit" is not null
union all
select applied from ops.source_states s where source = %(source)s and applied is not null and ended_at is null
  and not exists (select 1 from ops.declared_epochs e where e.source = s.source and e."commit" is not null);

-- name: owners
-- Whose each object is that Sources applied to a cluster, where ops.declared says only that the cluster has it.
select kind, namespace, name, source from ops.source_objects;

-- name: open_reports
-- Commits that wait for their last word, the oldest first.
select "commit", context, number, verdict, posted, posted_at, ended_at, again from ops.commit_reports
where source = %(source)s and (ended_at is null or "commit" = %(commit)s) order by created_at, "commit";

-- name: begin_report
-- A commit is in force: from now on it is told what comes of it.
insert into ops.commit_reports (source, "commit", context, number)
values (%(source)s, %(commit)s, %(context)s, %(number)s) on conflict (source, "commit", context) do nothing;

-- name: reported
-- The forge took it. `ended`: it was the last word. The same as of `posted`.
update ops.commit_reports set verdict = %(verdict)s, posted = %(digest)s, posted_at = now(),
  ended_at = case when %(ended)s then now() end
where source = %(source)s and "commit" = %(commit)s and context = %(context)s and again = %(again)s;

-- name: bound
-- Which commit was decided on last.
select "commit" from ops.merge_bounds where source = %(source)s;

-- name: bind
-- What a commit may destroy; null: no pull request brought it.
insert into ops.merge_bounds (source, "commit", number, destroys)
values (%(source)s, %(commit)s, %(number)s, %(destroys)s::jsonb)
on conflict (source) do update set "commit" = excluded."commit", number = excluded.number, destroys = excluded.destroys,
  decided_at = now();

-- name: bounds
-- For each Source that names a forge what its commit in force may destroy: nothing, until it is decided for that commit; all
-- (no row) where no pull request brought it. In a cluster from before the commit is applied.
select d.namespace || '/' || d.name, coalesce(b.destroys, '[]'::jsonb)
from ops.declared d
join ops.declared_epochs e on e.source = d.namespace || '/' || d.name and e."commit" is not null
left join ops.merge_bounds b on b.source = e.source and b."commit" = e."commit"
where d.kind = 'Source' and d.good and jsonb_typeof(d.spec -> 'forge') = 'object'
  and (b.source is null or b.destroys is not null)
union all
select s.source, coalesce(b.destroys, '[]'::jsonb)
from ops.declared d
join ops.source_states s on s.source = d.namespace || '/' || d.name and s.ended_at is null and s.intended is not null
left join ops.merge_bounds b on b.source = s.source and b."commit" = s.intended
where d.kind = 'Source' and d.good and jsonb_typeof(d.spec -> 'forge') = 'object'
  and (b.source is null or b.destroys is not null)
  and not exists (select 1 from ops.declared_epochs e where e.source = s.source and e."commit" is not null);

-- name: standings
-- How each thing that a source declares, or applied to the cluster, stands, and what it no longer declares and that is not gone. Cells of a matrix are
-- told by their Experiment. A Source whose deletes are held, or wait, is told with them.
select d.kind, d.namespace, d.name, coalesce(r.state, 'Pending'), coalesce(r.ready, false), coalesce(r.reason, ''),
  coalesce(r.message, ''), d.path, d.line, d.problem, d.hash is not distinct from r.declared_hash, true
from ops.declared d
left join ops.resources r on r.kind = d.kind and r.namespace = d.namespace and r.name = d.name
left join ops.source_objects o on o.kind = d.kind and o.namespace = d.namespace and o.name = d.name and d.source = 'cluster'
where coalesce(o.source, d.source) = %(source)s
union all
select o.kind, o.namespace, o.name, 'Pending', false, '', o.refused, o.path, o.line, nullif(o.refused, ''), false, true
from ops.source_objects o
where o.source = %(source)s and not exists (
  select 1 from ops.declared d where d.kind = o.kind and d.namespace = o.namespace and d.name = o.name)
union all
select r.kind, r.namespace, r.name, r.state, r.ready, r.reason, r.message, r.source_path, r.source_line, null, true, false
from ops.resources r
where r.source = %(source)s and r.kind <> 'ExperimentRun' and not exists (
  select 1 from ops.declared d where d.kind = r.kind and d.namespace = r.namespace and d.name = r.name)
union all
select 'Source', s.namespace, s.name, 'Active', false, 'Held', format('%%s would be deleted, %%s the first: wbx confirm %%s',
  s.details #>> '{held,count}', s.details #>> '{held,resources,0}', s.details #>> '{held,token}'), null, null, null, true, true
from ops.source_states s where s.source = %(source)s and s.ended_at is null and jsonb_typeof(s.details -> 'held') = 'object'
union all
select 'Source', s.namespace, s.name, 'Active', false, 'InProgress', 'what is to be deleted waits until it is known what was reviewed',
  null, null, null, true, true
from ops.source_states s where s.source = %(source)s and s.ended_at is null and jsonb_typeof(s.details -> 'undecided') = 'array'
order by 1, 2, 3;
