"""What row level security and the audit cost who reads and who writes.

Timed as the application runs it: in its role, by Django over TLS through PgBouncer in transaction mode, without
prepared statements, in a transaction that has said who acts. A read is timed from sending the statement until its rows
are there, a write until it is committed. BEGIN and the identity come before it: they are the same each way and would
make the safeguards look smaller. What a write takes without its COMMIT, which waits for the disk (`_statement_ms`,
`_ratio_statement`), and the server's own part (`_server_us`: planning and execution, triggers included, as EXPLAIN
ANALYZE tells them) stand beside it, without a limit.

Databases that differ in nothing else take turns, statement by statement, with the same people and rows: one with
everything; one without policies, which is `DISABLE ROW LEVEL SECURITY` on every table and no trigger
`…_admits_who_sees_…`, since these ask the policies; one without any rule about who acts, which is the same without the
triggers about whose a column, a step, a new row or a decision is; and one without the audit, all of whose triggers are
disabled. A ratio is that of the medians; the limits hold for each read and each write, of policies and of the audit.
Reading fires no trigger, and messages are not audited.
"""

import itertools
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.common.identity import PERSON, PLATFORM
from apps.messaging.models import Conversation, Message
from apps.orders.models import Order, OrderMessage
from apps.payments.models import Wallet
from config.router import DIRECT, LEADER
from django.conf import settings
from django.db import connections, transaction
from django.db.models import QuerySet

from tests.bench.application.host import Bench

TITLE = "Row level security and audit, on and off"
RATIO_MAX = 1.25
PAGE = 20
TURNS, TURNS_SMALL, WARM_UP = 600, 120, 20
ON, NO_POLICIES, NO_RULES, NO_AUDIT = "on", "without_policies", "without_rules", "without_audit"


def disabled(triggers: str) -> str:
    """Return SQL that makes the statements which disable all triggers with such names."""
    return f"""
        SELECT format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname) FROM pg_trigger
        WHERE NOT tgisinternal AND tgname ~ '{triggers}'
    """  # noqa: S608 (named below)


POLICIES_OFF = """
    SELECT format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', oid::regclass) FROM pg_class WHERE relrowsecurity
    UNION ALL
"""
# What makes ALTER TABLE statements for psql.
SWITCHES = {
    NO_POLICIES: POLICIES_OFF + disabled("_admits_who_sees_"),
    NO_RULES: POLICIES_OFF + disabled("_admits_who_|_whose_|_begins_by_|_decided_"),
    NO_AUDIT: disabled("_audit_[1-6]$"),
}
# Another name that the pooler offers, with the application's rules.
POOL = r"""
set -euo pipefail
cd /etc/pgbouncer
if ! grep -q '^{name} ' pgbouncer.ini; then
    sed -i '/^\[databases\]/a {name} = host=direct.test port=5000 dbname={name}' pgbouncer.ini
    sed -i 's/freelance_platform,/{name},freelance_platform,/' pg_hba.conf
fi
systemctl reload pgbouncer
"""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """subjects: SQL of pairs, who acts and the key of what it is about. sql: text and parameters for such a pair."""

    subjects: str
    sql: Callable[[UUID, UUID], tuple[str, Sequence[Any]]]


def read(subjects: str, query: Callable[[UUID, UUID], QuerySet[Any]]) -> Statement:
    """What the ORM sends, without the time that it takes to make objects."""
    return Statement(subjects=subjects, sql=lambda person, key: query(person, key).query.sql_with_params())


def write(subjects: str, text: str) -> Statement:
    return Statement(subjects=subjects, sql=lambda person, key: (text, {"person": person, "key": key}))  # type: ignore[arg-type,return-value]  # by name


READS = {
    "order_by_key": read(
        "SELECT client_id, id FROM orders_order ORDER BY id", lambda _, key: Order.objects.filter(pk=key)
    ),
    "orders_of_client": read(
        "SELECT client_id, client_id FROM orders_order WHERE status = 'completed' GROUP BY 1 ORDER BY 1",
        lambda person, _: Order.objects.of_client(person, "completed")[:PAGE],
    ),
    "conversation_page": read(
        "SELECT participant_low_id, id FROM messaging_conversation WHERE last_message_number >= 20 ORDER BY id",
        lambda _, key: Message.objects.page_before(Conversation(pk=key))[:PAGE],
    ),
    "order_messages": read(
        "SELECT client_id, id FROM orders_order AS o"
        " WHERE EXISTS (SELECT FROM orders_ordermessage WHERE order_id = o.id) ORDER BY id",
        lambda _, key: OrderMessage.objects.of_order(key)[:PAGE],
    ),
    "wallet": read(
        "SELECT user_id, user_id FROM payments_wallet ORDER BY 1", lambda person, _: Wallet.objects.filter(user=person)
    ),
}
WRITES = {
    "send_message": write(
        "SELECT participant_low_id, id FROM messaging_conversation"
        " WHERE (participant_low_id, participant_high_id) NOT IN"
        " (SELECT least(blocker_id, blocked_id), greatest(blocker_id, blocked_id) FROM messaging_blockeduser)"
        " ORDER BY id",
        "INSERT INTO messaging_message (id, created_at, updated_at, conversation_id, sender_id, body)"
        " VALUES (gen_random_uuid(), statement_timestamp(), statement_timestamp(), %(key)s, %(person)s, '您好，在吗？')"
        " RETURNING number",
    ),
    "mark_as_read": write(
        "SELECT DISTINCT CASE m.sender_id WHEN participant_low_id THEN participant_high_id ELSE participant_low_id END,"
        " c.id FROM messaging_message AS m JOIN messaging_conversation AS c ON c.id = m.conversation_id"
        " WHERE m.read_at IS NULL ORDER BY 2, 1",
        "UPDATE messaging_message SET read_at = statement_timestamp(), updated_at = statement_timestamp()"
        " WHERE conversation_id = %(key)s AND read_at IS NULL AND NOT (sender_id = %(person)s)",
    ),
    "start_order": write(
        "SELECT freelancer_id, id FROM orders_order WHERE status = 'paid' ORDER BY id",
        "UPDATE orders_order SET status = 'in_progress', updated_at = statement_timestamp() WHERE id = %(key)s",
    ),
    "pause_gig": write(
        "SELECT freelancer_id, id FROM gigs_gig WHERE status = 'active' ORDER BY id",
        "UPDATE gigs_gig SET status = 'paused', updated_at = statement_timestamp() WHERE id = %(key)s",
    ),
    "new_gig": write(
        "SELECT freelancer_id, id FROM gigs_gig ORDER BY id",
        "INSERT INTO gigs_gig (id, created_at, updated_at, freelancer_id, category_id, title, description, status,"
        " cover_url, rating_average, rating_count)"
        " SELECT gen_random_uuid(), statement_timestamp(), statement_timestamp(), freelancer_id, category_id, title,"
        " description, 'draft', '', 0, 0 FROM gigs_gig WHERE id = %(key)s",
    ),
    "remove_package": write(
        "SELECT freelancer_id, p.id FROM gigs_gigpackage AS p JOIN gigs_gig AS g ON g.id = gig_id"
        " WHERE NOT EXISTS (SELECT FROM orders_order WHERE package_id = p.id) ORDER BY p.id",
        "DELETE FROM gigs_gigpackage WHERE id = %(key)s",
    ),
    # A sealed value takes the place of another: the audit notes which, and neither of the values.
    "private_data": write(
        "SELECT user_id, user_id FROM accounts_userprivate WHERE real_name_sealed IS NOT NULL ORDER BY 1",
        "UPDATE accounts_userprivate SET real_name_sealed = set_byte(real_name_sealed, octet_length(real_name_sealed)"
        " - 1, 255 - get_byte(real_name_sealed, octet_length(real_name_sealed) - 1)),"
        " updated_at = statement_timestamp() WHERE user_id = %(key)s",
    ),
}
STATEMENTS = READS | WRITES
# What each statement is compared with.
WITHOUT = {
    **dict.fromkeys(READS, (NO_POLICIES,)),
    **dict.fromkeys(WRITES, (NO_POLICIES, NO_RULES, NO_AUDIT)),
    **dict.fromkeys(("send_message", "mark_as_read"), (NO_POLICIES, NO_RULES)),
}
RATIOS = {NO_POLICIES: "policies_ratio", NO_RULES: "rules_ratio", NO_AUDIT: "audit_ratio"}
LIMITS: Mapping[str, tuple[str, float]] = {
    f"{name}_{RATIOS[way]}": ("max", RATIO_MAX) for name, ways in WITHOUT.items() for way in ways if way != NO_RULES
}


@contextmanager
def ways(bench: Bench) -> Iterator[dict[str, str]]:
    """The alias of each way: databases that differ in nothing else, behind one pooler. Those made here do not stay."""
    default, aliases = settings.DATABASES[LEADER], {ON: LEADER, **{way: way for way in SWITCHES}}
    connections.close_all()
    for way, switches in SWITCHES.items():
        name = f"freelance_{way}"
        bench.server.sql(
            "postgres",
            f"""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('{default["NAME"]}', '{name}');
            DROP DATABASE IF EXISTS {name};
            CREATE DATABASE {name} TEMPLATE {default["NAME"]} OWNER freelance_owner;
            """,  # noqa: S608 (named here)
        )
        bench.server.sql(name, f"{switches} \\gexec")
        bench.server.run("bash", "-s", script=POOL.format(name=name))
        settings.DATABASES[way] = {**default, "NAME": name, "OPTIONS": dict(default["OPTIONS"])}
    try:
        yield aliases
    finally:
        for way in SWITCHES:
            connections[way].close()
            del connections[way]
            del settings.DATABASES[way]
            bench.server.sql("postgres", f"DROP DATABASE freelance_{way} WITH (FORCE);")


@dataclass(frozen=True, kw_only=True)
class Times:
    """Of one run. whole_ms: that of the statement, and of a write's COMMIT."""

    whole_ms: float
    statement_ms: float
    server_us: float


def run(alias: str, person: UUID, sql: str, parameters: Any, *, keep: bool) -> tuple[float, float, list[Any]]:
    """Run a statement as a person: milliseconds until its rows are there, until the transaction has ended, the rows."""
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true), set_config(%s, '', true)", [PERSON, str(person), PLATFORM])
        began = time.perf_counter()
        cursor.execute(sql, parameters)
        rows = cursor.fetchall() if cursor.description else []
        statement = time.perf_counter() - began
        if not rows and not cursor.rowcount:
            raise LookupError(f"{person} sees no row of what is measured: {sql}")
        if not keep:
            transaction.set_rollback(True, using=alias)
    return 1000 * statement, 1000 * (time.perf_counter() - began), rows


def times(alias: str, name: str, person: UUID, key: UUID) -> Times:
    """Run a statement twice, first to be explained and undone."""
    sql, parameters = STATEMENTS[name].sql(person, key)
    *_, [(explained,)] = run(alias, person, f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", parameters, keep=False)
    (plan,) = explained if isinstance(explained, list) else json.loads(explained)
    statement, whole, _ = run(alias, person, sql, parameters, keep=True)
    return Times(
        whole_ms=whole if name in WRITES else statement,
        statement_ms=statement,
        server_us=1000 * (plan["Planning Time"] + plan["Execution Time"]),
    )


def figures_of(found: Mapping[tuple[str, str], list[Times]]) -> dict[str, float]:
    """Medians of each statement each way, and the ratios."""
    figures: dict[str, float] = {}
    for name, without in WITHOUT.items():
        kinds = ("", "_statement") if name in WRITES else ("",)
        for way in (ON, *without):
            taken = found[name, way]
            figures[f"{name}_{way}_ms"] = statistics.median(one.whole_ms for one in taken)
            if name in WRITES:
                figures[f"{name}_{way}_statement_ms"] = statistics.median(one.statement_ms for one in taken)
            figures[f"{name}_{way}_server_us"] = statistics.median(one.server_us for one in taken)
        for way, kind in itertools.product(without, kinds):
            ratio = figures[f"{name}_{ON}{kind}_ms"] / figures[f"{name}_{way}{kind}_ms"]
            figures[f"{name}_{RATIOS[way]}{kind}"] = ratio
    return figures


def measure(bench: Bench, small: bool) -> dict[str, float]:
    """Medians of each statement each way, and the ratios."""
    bench.say(f"three databases of {bench.seed.rows} rows")
    turns = WARM_UP + (TURNS_SMALL if small else TURNS)
    chance = random.Random(1)  # noqa: S311 (the same people each time)
    subjects = {}
    for name, statement in STATEMENTS.items():
        pairs = bench.rows(DIRECT, statement.subjects)
        # What was written is not written again: where there are few, the trial of a small marketplace says little.
        subjects[name] = chance.sample(pairs, min(turns, len(pairs)))
    found: dict[tuple[str, str], list[Times]] = {}
    with ways(bench) as aliases:
        for turn in range(turns):
            for name, pairs in subjects.items():
                if turn >= len(pairs) and name in WRITES:
                    continue
                compared = [ON, *WITHOUT[name]]
                # Who comes first in one turn comes last in another.
                chance.shuffle(compared)
                for way in compared:
                    taken = times(aliases[way], name, *pairs[turn % len(pairs)])
                    if turn >= min(WARM_UP, len(pairs) // 2):
                        found.setdefault((name, way), []).append(taken)
    return figures_of(found)
