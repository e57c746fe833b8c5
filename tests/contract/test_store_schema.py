"""What every table, column, policy and function of the schema has, enumerated from the catalog: a new one too."""

import re
from collections.abc import Iterator

import psycopg
import pytest
from store_fixtures import database, server

from workbenchx.store import embedded

__all__ = ["database", "server"]

RESOURCE = (
    "id project_id namespace name declared_hash generation state ready reason message external_id last_run_id"
    " source_commit source_path source_line spec created_at updated_at deleted_at"
)
KINDS = (
    "projects datasets runtimes sessions runner_jobs experiments experiment_runs models model_deployments apps"
    " app_deployments providers templates sources"
)
# DESIGN 4 and 13: names that other programs read. Never renamed.
NAMED = dict.fromkeys(KINDS.split(), RESOURCE) | {
    "project_members": "project_id user_id email role",
    "declared": "kind namespace name project spec hash source commit path line epoch",
    "runs": "run_id project_id operation kind namespace name provider state attempt lease_owner lease_until fencing"
    " deadline cancel_requested_at exit_code reason cost_estimate cost started_at ended_at event_head",
    "run_events": "run_id seq at type actor data",
    "event_batches": "run_id first_seq last_seq prev_hash hash",
    "log_chunks": "run_id data",
    "artifacts": "id run_id project_id name bucket key bytes media_type sha256",
    "sandbox_runs": "id run_id provider external_id command exit_code started_at ended_at attempt",
    "provider_objects": "provider external_id state",
    "observations": "provider external_id state",
    "observation_epochs": "provider complete at",
    "source_objects": "source kind namespace name spec hash state refused",
    "source_states": "source spec seen applied reason message polled_at due_at held_by held_until ended_at",
    "provider_gates": "provider held_until minute taken opened_at retry_at message",
    "model_probes": "deployment_id revision passed failures message",
    "plans": "id destroy_token document created_at",
    "interventions": "verb kind namespace name args actor at",
    "fix_proposals": "fingerprint state",
    "usage": "project_id cost",
    "reservations": "project_id usd quota",
    "webhook_deliveries": "forge delivery_id source project_id",
    "webhook_tallies": "forge outcome why times",
    "fix_answers": "source cause state message",
    "fix_waits": "source fingerprint rule state why",
    "leader": "epoch",
    "installation": "id environment cluster_uid",
    "documents": "project_id embedding",
    "resource_history": "declared_hash state reason external_id revision commit valid_from",
}
# References that no index leads with, each for a reason (decision 051).
WITHOUT_INDEX = {
    ("log_chunks", "run_id"): "asked for with the day of the run, which the key begins with",
    ("source_states", "uid"): "a row for each Source, and few of them",
    ("source_states", "run_id"): "the same",
} | {(kind, "last_run_id"): "its index would end HOT updates of every verdict" for kind in KINDS.split()}  # fmt: skip
REFERENCES = "project_id|run_id|resource_uid|uid|user_id|experiment_id|[a-z]+_run_id"
DIGESTS = "sha256|hash|[a-z]+_hash|event_head|root|prev|destroy_token"


@pytest.fixture
def conn(server: embedded.Server, database: str) -> Iterator[psycopg.Connection]:
    """The owner of the schema."""
    with psycopg.connect(server.url_for("wbx_migrate", database)) as opened:
        yield opened


def ask(conn: psycopg.Connection, query: str, *values: object) -> list[tuple[object, ...]]:
    """All rows; `TABLES` stands for the tables of ops."""
    tables = "(select * from pg_class where relnamespace = 'ops'::regnamespace and relkind in ('r', 'p') and not relispartition)"
    return conn.execute(query.replace("TABLES", tables).encode(), values or None).fetchall()


def test_everything_is_described(conn: psycopg.Connection) -> None:
    """Schemas, tables, views, columns and functions have a comment."""
    mute = ask(
        conn,
        "select c.oid::regclass::text, a.attname from pg_class c left join pg_attribute a on a.attrelid = c.oid"
        " and a.attnum > 0 and not a.attisdropped and c.relkind <> 'v'"
        " where c.relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace) and c.relkind in ('r', 'p', 'v')"
        " and not c.relispartition and (obj_description(c.oid) is null"
        "  or (a.attnum is not null and col_description(c.oid, a.attnum) is null))"
        " union all select oid::regprocedure::text, '()' from pg_proc"
        " where pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace) and obj_description(oid) is null"
        " union all select nspname, '' from pg_namespace where nspname in ('ops', 'ops_private')"
        " and obj_description(oid) is null",
    )
    assert mute == []


def test_the_names_of_the_design_are_there(conn: psycopg.Connection) -> None:
    """Every table and column that the design fixes."""
    found: dict[object, set[object]] = {}
    for table, column in ask(
        conn,
        "select c.relname, a.attname from TABLES c join pg_attribute a on a.attrelid = c.oid"
        " and a.attnum > 0 and not a.attisdropped",
    ):
        found.setdefault(table, set()).add(column)
    missing = {
        table: gone
        for table, columns in NAMED.items()
        if (gone := set(columns.split()) - found.get(table, set()))
    }
    assert missing == {}


def test_references_have_an_index(conn: psycopg.Connection) -> None:
    """Each foreign key, declared or by name, is the beginning of an index; the exceptions are named above."""
    slow = ask(
        conn,
        "select conrelid::regclass::text, conname from pg_constraint k where contype = 'f'"
        " and connamespace = 'ops'::regnamespace and not exists (select 1 from pg_index i where"
        " i.indrelid = k.conrelid and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] = k.conkey)",
    )
    assert slow == []
    bare = ask(
        conn,
        "select c.relname, a.attname from TABLES c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped"
        " where a.attname ~ ('^(' || %s || ')$')"
        " and not exists (select 1 from pg_index i where i.indrelid = c.oid and i.indkey[0] = a.attnum)",
        REFERENCES,
    )
    assert set(bare) == set(WITHOUT_INDEX)


def test_states_and_digests_have_a_grammar(conn: psycopg.Connection) -> None:
    """Each column that holds a state, a digest or a role has a CHECK."""
    free = ask(
        conn,
        "select c.relname, a.attname from TABLES c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped"
        " where a.attname ~ ('^(state|role|verb|' || %s || ')$') and not exists (select 1 from pg_constraint k"
        "  where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum])",
        DIGESTS,
    )
    assert free == []


def test_types_are_the_safe_ones(conn: psycopg.Connection) -> None:
    """Times have a zone, documents are jsonb, text has no length, money is exact, what is counted for ever is bigint."""
    wrong = ask(
        conn,
        "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) from TABLES c"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where format_type(a.atttypid, a.atttypmod) ~ '^(timestamp without|time |json$|character|money|real|serial|oid|reg)'"
        " or (a.attname ~ '(cost|usd)' and a.atttypid <> 'numeric'::regtype)"
        " or (a.attname ~ '(seq|epoch|fencing|bytes|generation|number|events|offset)' and a.atttypid = 'integer'::regtype)"
        " or (a.attidentity <> '' and a.atttypid <> 'bigint'::regtype)",
    )
    assert wrong == []


def test_tables_have_a_primary_key(conn: psycopg.Connection) -> None:
    """Each of them."""
    bare = ask(
        conn,
        "select c.relname from TABLES c where not exists (select 1 from pg_index i where i.indrelid = c.oid and i.indisprimary)",
    )
    assert bare == []


def test_policies_call_functions_once_a_statement(conn: psycopg.Connection) -> None:
    """Each call stands alone in a SELECT of its own (`(select f())`, `array(select f())`), and never reads user_metadata."""
    for table, name, text in ask(
        conn,
        "select polrelid::regclass::text, polname, concat_ws(' ', pg_get_expr(polqual, polrelid),"
        " pg_get_expr(polwithcheck, polrelid)) from pg_policy p join pg_class c on c.oid = p.polrelid"
        " where c.relnamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)",
    ):
        rest = re.sub(r"\( SELECT [a-z_]+\.[a-z_]+\(\)( AS \w+)?\)", "", str(text))
        assert not re.search(r"[a-z_]+\(", rest.replace("ARRAY(", "")), f"{table} {name}: {text}"
        assert "user_metadata" not in str(text)


def test_definer_functions_are_out_of_reach(conn: psycopg.Connection) -> None:
    """None is in the schema that the API shows (lints 0028, 0029); every function fixes its search path (0011)."""
    shown = ask(
        conn,
        "select oid::regprocedure::text from pg_proc where pronamespace = 'ops'::regnamespace and prosecdef",
    )
    assert shown == []
    loose = ask(
        conn,
        "select oid::regprocedure::text from pg_proc where pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
        " and not coalesce(proconfig @> array['search_path=\"\"'], false)",
    )
    assert loose == []
    views = ask(
        conn,
        "select relname from pg_class where relnamespace = 'ops'::regnamespace and relkind in ('v', 'm', 'f')"
        " and not (relkind = 'v' and coalesce(reloptions @> array['security_invoker=true'], false))",
    )
    assert views == []


def test_functions_trust_no_editable_claim(conn: psycopg.Connection) -> None:
    """No function reads user_metadata, and none takes a claim apart inside the SELECT that caches it (0003)."""
    bad = ask(
        conn,
        "select oid::regprocedure::text from pg_proc where pronamespace in ('ops'::regnamespace, 'ops_private'::regnamespace)"
        r" and (prosrc ~ 'user_metadata' or prosrc ~* '\(\s*select\s+\(*auth\.[a-z]+\(\)\s*(->|#>|::)')",
    )
    assert bad == []
