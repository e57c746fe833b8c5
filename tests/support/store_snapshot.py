"""The schema as the catalog has it: one line for each thing that a program or a reviewer could notice.

`python tests/support/store_snapshot.py` writes it to tests/golden/store/schema.txt, from a server of its own.
"""

import asyncio
import pathlib
import sys

import psycopg
import store_server

from workbenchx.store import embedded

GOLDEN = pathlib.Path(__file__).parent.parent / "golden" / "store" / "schema.txt"
HOW = ".venv/bin/python tests/support/store_snapshot.py"
# Where a server has no pgvector, these are not there.
NEED_VECTOR = "ops.documents"

_LINES = """
with ours as (
  select c.oid, c.relkind, c.reloptions, c.relacl, c.relowner, c.relrowsecurity, c.relname, c.oid::regclass::text as name
  from pg_class c where c.relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)
    and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and not c.relispartition
), grants as (
  select 'on ' || o.name as what, a.grantee, a.privilege_type, o.relowner as owner
  from ours o cross join lateral aclexplode(coalesce(o.relacl, acldefault('r', o.relowner))) a
  union all
  select 'on function ' || p.oid::regprocedure, a.grantee, a.privilege_type, p.proowner
  from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
  where p.pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)
  union all
  select 'on schema ' || n.nspname, a.grantee, a.privilege_type, n.nspowner
  from pg_namespace n cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
  where n.nspname in ('ops', 'ops_private')
), lines(area, line) as (
  select name, concat_ws(' ', case relkind when 'v' then 'view' when 'p' then 'partitioned table' when 'S' then 'sequence'
    when 'm' then 'materialized view' when 'f' then 'foreign table' else 'table' end, name,
    case when relrowsecurity then 'row-level security' end, array_to_string(reloptions, ', ')) from ours
  union all
  select o.name, concat_ws(' ', 'column', o.name || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
    (select 'collate ' || quote_ident(collname) from pg_collation k join pg_type t on t.oid = a.atttypid
     where k.oid = a.attcollation and a.attcollation <> t.typcollation),
    case when a.attnotnull then 'not null' end, case when a.attidentity <> '' then 'identity' end,
    case when a.attgenerated <> '' then 'generated as ' || pg_get_expr(d.adbin, d.adrelid)
         when d.adbin is not null then 'default ' || pg_get_expr(d.adbin, d.adrelid) end)
  from ours o join pg_attribute a on a.attrelid = o.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = o.oid and d.adnum = a.attnum
  where o.relkind <> 'S'
  union all
  select o.name, concat_ws(' ', 'constraint', k.conname, 'on', o.name, pg_get_constraintdef(k.oid))
  from ours o join pg_constraint k on k.conrelid = o.oid where k.contype <> 'n'
  union all
  select o.name, pg_get_indexdef(i.indexrelid) from ours o join pg_index i on i.indrelid = o.oid
  where not exists (select 1 from pg_constraint k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
  union all
  select o.name, concat_ws(' ', case when p.polpermissive then 'policy' else 'restrictive policy' end, p.polname, 'on', o.name,
    'for', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
    'to', (select string_agg(case when r = 0 then 'public' else r::regrole::text end, ', ' order by r::regrole::text)
           from unnest(p.polroles) r),
    'using (' || pg_get_expr(p.polqual, p.polrelid) || ')', 'with check (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
  from ours o join pg_policy p on p.polrelid = o.oid
  union all
  select o.name, regexp_replace(pg_get_triggerdef(t.oid), '^CREATE ', '') from ours o join pg_trigger t on t.tgrelid = o.oid
  where not t.tgisinternal
  union all
  select 'function', concat_ws(' ', 'function', p.oid::regprocedure, 'returns', pg_get_function_result(p.oid), l.lanname,
    case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
    case when p.prosecdef then 'security definer' end, case when p.proisstrict then 'strict' end,
    case p.proparallel when 's' then 'parallel safe' when 'r' then 'parallel restricted' end,
    'set ' || array_to_string(p.proconfig, ', '))
  from pg_proc p join pg_language l on l.oid = p.prolang
  where p.pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)
  union all
  select 'grant', concat_ws(' ', 'grant', string_agg(lower(privilege_type), ', ' order by privilege_type), what, 'to',
    case when grantee = 0 then 'public' else grantee::regrole::text end)
  from grants where grantee <> owner group by what, grantee
)
select regexp_replace(line, '\\s+', ' ', 'g') from lines
order by area in ('function', 'grant'), area collate "C", line collate "C"
"""


async def lines(url: str) -> list[str]:
    """Every line of the schema in the database of `url`, by table, sorted."""
    async with await psycopg.AsyncConnection.connect(url) as conn:
        await conn.execute("set local search_path to ''")
        return [row[0] for row in await (await conn.execute(_LINES.encode())).fetchall()]


def committed() -> list[str]:
    """The lines of the snapshot that is committed."""
    return GOLDEN.read_text(encoding="utf-8").splitlines()


def main() -> None:
    """Write the snapshot."""
    with store_server.home() as folder:
        server = store_server.prepared(asyncio.run(embedded.ensure_running(folder)))
        found = asyncio.run(lines(server.url_for("wbx_migrate", store_server.TEMPLATE)))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text("".join(f"{line}\n" for line in found), encoding="utf-8")
    sys.stdout.write(f"{GOLDEN}: {len(found)} lines\n")


if __name__ == "__main__":
    main()
