-- name: wanted
-- The repository of each declared project, and of it each revision that an app asks for. A branch that the project
-- follows anyway is no revision of its own. In a cluster "." is the repository of the Source that applied the project.
with projects as (
  select source, name, case when coalesce(spec #>> '{repo,url}', '.') <> '.' then spec #>> '{repo,url}'
      when source = 'cluster' then coalesce(repo, '.') else '.' end as url, spec #>> '{repo,branch}' as branch,
    coalesce(spec #>> '{repo,path}', '.') as path
  from ops.declared where kind = 'Project' and good and jsonb_typeof(spec -> 'repo') = 'object'
)
select name, source, url, branch, path from projects
union
select p.name || '@' || (d.spec ->> 'revision'), p.source, p.url, d.spec ->> 'revision', p.path
from ops.declared d join projects p on p.name = d.project
where d.kind = 'AppDeployment' and d.good and d.spec ->> 'revision' is distinct from p.branch
  and d.spec ->> 'revision' is not null
order by 1;

-- name: record
-- What differs alone is written, so that the planner is woken once.
update ops.declared_epochs set code = code || %(code)s::jsonb
where source = %(source)s and not code @> %(code)s::jsonb;
