"""One number makes a whole marketplace: always the same one, true by every rule, and shaped like life."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from apps.accounts.models import UserProfile
from apps.common.deployment import ensure_superuser, superuser_change
from apps.common.search.rebuild import searchable_models, stale
from apps.common.search.words import tsvector
from apps.gigs.models import Gig
from apps.seeding import copying
from apps.seeding.rules import Rule, rules
from apps.seeding.tables import TABLES
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import override_settings
from server import Server

APP = Path(__file__).resolve().parents[2] / "files" / "app"
# Filled by the fixtures, and by the daily roll-up from what is here.
FROM_FIXTURES = {"accounts_skill", "gigs_category", "reviews_reviewtemplate"}
ROLLED_UP = {
    "gigs_gigstat", "messaging_messagingstat", "orders_orderstat", "payments_paymentstat", "reviews_reviewstat",
    "reviews_userrating",
}  # fmt: skip
WRITTEN_BY_TRIGGERS = {"common_auditlog"}
ELSEWHERE = FROM_FIXTURES | ROLLED_UP | WRITTEN_BY_TRIGGERS | {
    "common_encryptionkey", "common_erasure", "common_release",
}  # fmt: skip
DIGEST = "SELECT md5(string_agg(t::text, ' ' ORDER BY t::text)) FROM {table} AS t"
# A key begins with the milliseconds of its row's moment.
NOT_OF_ITS_MOMENT = """
    SELECT count(*) FROM {table} WHERE uuid_extract_version(id) <> 7
        OR ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint
            <> floor(extract(epoch FROM created_at) * 1000)
"""
CHECKS = """
    SELECT conrelid::regclass::text, conname, pg_get_expr(conbin, conrelid) FROM pg_constraint
    WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND coninhcount = 0
"""
FOREIGN_KEYS = """
    SELECT c.conname, c.conrelid::regclass::text, c.confrelid::regclass::text,
        array_agg(mine.attname::text ORDER BY place), array_agg(theirs.attname::text ORDER BY place)
    FROM pg_constraint AS c, unnest(c.conkey, c.confkey) WITH ORDINALITY AS pair (here, there, place),
        pg_attribute AS mine, pg_attribute AS theirs
    WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace AND c.conparentid = 0
        AND mine.attrelid = c.conrelid AND mine.attnum = here
        AND theirs.attrelid = c.confrelid AND theirs.attnum = there
    GROUP BY c.oid, c.conname, c.conrelid, c.confrelid
"""
BREAKING = "SELECT count(*) FROM {table} WHERE NOT ({condition})"
LOST = "SELECT count(*) FROM {table} AS t WHERE {given} AND NOT EXISTS (SELECT FROM {other} AS o WHERE {matched})"
SAME_WORDS = "SELECT search_vector = %s::tsvector FROM {table} WHERE {key} = %s"


def rows(alias: str, query: str, *parameters: Any) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(query, parameters or None)
        return list(cursor.fetchall())


def number(alias: str, query: str, *parameters: Any) -> Any:
    return rows(alias, query, *parameters)[0][0]


@contextmanager
def tried(alias: str) -> Iterator[None]:
    """Undo at the end what happened inside."""
    with transaction.atomic(using=alias):
        yield
        transaction.set_rollback(True, using=alias)


def digests(alias: str) -> dict[str, str]:
    return {table.name: number(alias, DIGEST.format(table=table.name)) for table in TABLES}


def seed(alias: str, capsys: pytest.CaptureFixture[str], **options: Any) -> Any:
    call_command("seed_marketplace", **{"users": 60, "seed": 1, "database": alias, **options})
    return json.loads(capsys.readouterr().out)


# ---- the same data
def test_the_same_seed_makes_the_same_rows_and_another_seed_others(
    deployed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made, people = [], []
    for chosen in (7, 7, 8):
        with tried(deployed):
            seed(deployed, capsys, seed=chosen)
            made.append(digests(deployed))
            people.append({key for (key,) in rows(deployed, "SELECT id FROM accounts_user")})
    assert made[0] == made[1]
    # Staff of any seed are there from the first moment on: what tells them apart is chance alone.
    assert people[0].isdisjoint(people[2])
    # Tables that have no row in so small a marketplace are alike.
    assert all(made[0][table] != made[2][table] for table in made[0] if made[0][table])
    assert sum(digest is not None for digest in made[0].values()) > len(TABLES) - 6


PLAN = """
import hashlib, json, os, sys
import django
django.setup()
from apps.seeding.market import Catalogue, Leaf, Market
from apps.seeding.tables import TABLES
areas = ("design", "audio")
leaves = [Leaf(f"{place:032x}", f"分类{place}", areas[place % 2]) for place in range(9)]
catalogue = Catalogue(leaves=leaves, skills={area: [f"{place:032x}" for place in range(5)] for area in areas})
market = Market.made(3, 40, catalogue)
rows = {table.name: list(map(repr, table.rows(market, market.keys.chance(table.name)))) for table in TABLES}
print(hashlib.sha256(json.dumps(rows).encode()).hexdigest())
"""


def test_another_process_makes_the_same_rows(migrated: Server) -> None:
    made = set()
    for hash_seed in ("1", "2"):
        environment = {
            **os.environ, "DB_HOSTADDR": migrated.address, "PYTHONHASHSEED": hash_seed,
            "PYTHONPATH": os.pathsep.join([str(APP), *sys.path]),
        }  # fmt: skip
        made.add(subprocess.check_output([sys.executable, "-c", PLAN], env=environment, text=True))
    assert len(made) == 1


def test_keys_are_version_7_and_of_the_moment_of_their_rows(seeded: str) -> None:
    keyed = [table.name for table in TABLES if {"id", "created_at"} <= set(table.columns)]
    # It has rows of the fixtures, too, with keys of their own.
    keyed.remove("messaging_messagetemplate")
    assert len(keyed) > 40
    assert [table for table in keyed if number(seeded, NOT_OF_ITS_MOMENT.format(table=table))] == []


def test_every_table_is_seeded_or_filled_elsewhere() -> None:
    models = [model for model in apps.get_models() if model._meta.managed]
    own = {model._meta.db_table for model in models if model.__module__.startswith("apps.")}
    assert {table.name for table in TABLES} == own - ELSEWHERE


# ---- true data
def test_every_check_holds_for_every_row(seeded: str) -> None:
    checks = rows(seeded, CHECKS)
    assert len(checks) > 150
    broken = [
        name for table, name, condition in checks if number(seeded, BREAKING.format(table=table, condition=condition))
    ]
    assert broken == []


def test_every_foreign_key_points_at_a_row(seeded: str) -> None:
    keys = rows(seeded, FOREIGN_KEYS)
    assert len(keys) > 80
    lost = []
    for name, table, other, mine, theirs in keys:
        matched = " AND ".join(f"o.{there} = t.{here}" for here, there in zip(mine, theirs, strict=True))
        given = " AND ".join(f"t.{here} IS NOT NULL" for here in mine)
        if number(seeded, LOST.format(table=table, given=given, other=other, matched=matched)):
            lost.append(name)
    assert lost == []


def test_every_trigger_is_on_again(seeded: str) -> None:
    assert number(seeded, "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'") == 0


def test_every_trigger_that_is_off_meanwhile_has_a_rule(seeded: str) -> None:
    known = {name for (name,) in rows(seeded, "SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal")}
    named = [trigger for rule in rules() for trigger in rule.triggers]
    assert set(named) <= known
    assert len(named) == len(set(named)) > 30


# One change for each rule, made while no trigger looks.
BREAKS = {
    "orders_order_on_sale": "UPDATE gigs_gig SET status = 'draft'",
    "orders_order_history_on_insert": "UPDATE orders_order SET status = 'disputed' WHERE status = 'in_progress'",
    "orders_orderstatushistory": "UPDATE orders_orderstatushistory SET from_status = 'paid'",
    "orders_order_adds_extras": "UPDATE orders_order SET extras_amount = extras_amount + 1",
    "orders_orderextra_check": "UPDATE orders_orderextra SET created_at = now()",
    "orders_delivery_order_is_in_work": "UPDATE orders_delivery SET created_at = '2025-01-01'",
    "orders_orderdispute_order_is_in_work_or_delivered": "UPDATE orders_orderdispute SET created_at = now()",
    "orders_ordercancellation_order_is_not_over": "UPDATE orders_ordercancellation SET created_at = now()",
    "payments_wallet_opens_empty": "UPDATE payments_wallet SET balance = balance + 1",
    "payments_transaction_post": "UPDATE payments_transaction SET amount = 0.01 WHERE kind = 'deposit'",
    "orders_order": "UPDATE payments_escrow SET amount = amount + 1 WHERE status = 'held'",
    "payments_escrow": "UPDATE payments_transaction SET amount = amount * 2 WHERE kind = 'fee'",
    "payments_paymentrefund": "UPDATE payments_paymentrefund SET amount = amount + 1",
    "payments_withdrawal": "UPDATE payments_withdrawal SET amount = amount + 1",
    "payments_payoutbatch": "UPDATE payments_payoutbatch SET total_amount = total_amount + 1",
    "payments_transaction": "UPDATE payments_transaction SET amount = amount + 1 WHERE kind = 'deposit'",
    "messaging_conversation_begin_empty": "UPDATE messaging_conversation SET last_message_number = 99",
    "messaging_message_take_number": (
        "UPDATE messaging_message SET created_at = '2025-01-01' WHERE number = 2 AND recalled_at IS NULL"
    ),
}


def named(rule: Rule) -> str:
    return rule.triggers[0] if rule.triggers else rule.table


@pytest.mark.parametrize(
    "rule", [rule for rule in rules() if not named(rule).endswith("_status_transition_on_insert")], ids=named
)
def test_a_rule_counts_what_breaks_it(seeded: str, rule: Rule) -> None:
    with tried(seeded):
        assert number(seeded, rule.broken, *rule.parameters) == 0
        for (table,) in rows(seeded, "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"):
            rows_changed(seeded, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        assert rows_changed(seeded, BREAKS[named(rule)]) > 0
        assert number(seeded, rule.broken, *rule.parameters) > 0


def rows_changed(alias: str, statement: str) -> int:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        return int(cursor.rowcount)


def test_every_cent_is_somewhere(seeded: str) -> None:
    (deposited, wallets, held, fees, gone) = rows(
        seeded,
        """
        SELECT (SELECT sum(amount) FROM payments_transaction WHERE kind = 'deposit'),
            (SELECT sum(balance) FROM payments_wallet), (SELECT sum(held_amount) FROM payments_escrow),
            (SELECT sum(fee_amount) FROM payments_escrow),
            (SELECT sum(amount) FROM payments_withdrawal WHERE status IN ('requested', 'processing', 'paid'))
        """,
    )[0]
    assert deposited == wallets + held + fees + gone
    assert min(wallets, held, fees, gone) > 0


def test_what_is_searched_has_the_words_that_saving_would_write(seeded: str) -> None:
    for model in searchable_models():
        assert stale(model, seeded).count() == 0
        for row in model._base_manager.using(seeded).select_related(*model.SEARCH_RELATED)[:50]:
            same = SAME_WORDS.format(table=model._meta.db_table, key=model._meta.pk.column)
            assert number(seeded, same, tsvector(row.search_texts()), row.pk), row.pk
    assert UserProfile.objects.using(seeded).matching("设计师").exists()


def test_the_application_goes_on_where_the_seed_ends(seeded: str) -> None:
    """Triggers and the ORM take the data for their own: the next message, step and entry fit."""
    with tried(seeded):
        with connections[seeded].cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO messaging_message (conversation_id, sender_id, body)
                SELECT c.id, c.participant_low_id, '请问进度怎么样了？' FROM messaging_conversation AS c
                WHERE NOT EXISTS (SELECT FROM messaging_blockeduser AS b
                    WHERE b.blocker_id IN (c.participant_low_id, c.participant_high_id))
                LIMIT 1 RETURNING conversation_id, number
                """
            )
            conversation, given = cursor.fetchone()
            cursor.execute("UPDATE orders_order SET status = 'delivered' WHERE status = 'in_progress' RETURNING id")
            assert cursor.fetchone()
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        counted = number(seeded, "SELECT count(*) FROM messaging_message WHERE conversation_id = %s", conversation)
        assert given == counted
        for rule in rules():
            if rule.table in {"messaging_message", "messaging_conversation", "payments_escrow"}:
                assert number(seeded, rule.broken, *rule.parameters) == 0


# ---- shaped like life
def test_few_gigs_are_hot_and_few_clients_busy(seeded: str) -> None:
    for query, share in (
        ("SELECT count(*) FROM orders_order GROUP BY gig_id", 0.35),
        ("SELECT count(*) FROM gigs_gigview GROUP BY gig_id", 0.4),
        ("SELECT count(*) FROM orders_order GROUP BY client_id", 0.2),
    ):
        counts = sorted((count for (count,) in rows(seeded, query)), reverse=True)
        hot = counts[: len(counts) // 10]
        assert sum(hot) / sum(counts) > share, query
        # The tail is long: most have little, and yet they are many.
        assert counts[len(counts) // 2] * 5 < counts[0], query
        assert len(counts) > 50, query


def test_people_and_orders_are_in_every_usual_state(seeded: str) -> None:
    statuses = {status for (status,) in rows(seeded, "SELECT DISTINCT status FROM orders_order")}
    assert {"paid", "in_progress", "completed", "cancelled", "refunded"} <= statuses
    kinds = {kind for (kind,) in rows(seeded, "SELECT DISTINCT user_type FROM accounts_user")}
    assert kinds == {"client", "freelancer", "both"}
    # Ratings are those of the published reviews.
    rated = """
        SELECT count(*) FROM gigs_gig AS g JOIN (
            SELECT gig_id, count(*) AS count, round(avg(rating_overall), 2) AS average FROM reviews_review
            WHERE author_role = 'client' AND status = 'published' GROUP BY gig_id) AS r ON r.gig_id = g.id
        WHERE (g.rating_count, g.rating_average) {} (r.count, r.average)
    """
    assert number(seeded, rated.format("=")) > 20
    assert number(seeded, rated.format("<>")) == 0
    assert Gig.objects.using(seeded).filter(rating_count=0, rating_average__gt=0).count() == 0


# ---- refused, by name
def test_a_database_with_people_is_refused(seeded: str) -> None:
    people = number(seeded, "SELECT count(*) FROM accounts_user")
    with pytest.raises(CommandError, match=f"accounts_user holds {people} people already"):
        call_command("seed_marketplace", users=30, seed=1, database=seeded)
    assert number(seeded, "SELECT count(*) FROM accounts_user") == people


@override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"])
def test_whoever_runs_the_platform_is_no_obstacle_and_stays(deployed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with tried(deployed):
        ensure_superuser(deployed, "admin", "a-long-password")
        written = seed(deployed, capsys)["tables"]["accounts_user"]
        assert written >= 60
        assert number(deployed, "SELECT count(*) FROM accounts_user") == written + 1
        assert superuser_change(deployed, "admin", "a-long-password") == ""


def test_without_the_direct_endpoint_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(settings.DATABASES, "direct")
    with pytest.raises(CommandError, match=r"no database alias direct.*DB_DIRECT_HOST"):
        call_command("seed_marketplace", users=30, seed=1)


@pytest.mark.usefixtures("migrated")
def test_whoever_does_not_own_the_tables_is_refused() -> None:
    with pytest.raises(CommandError, match="by the owner of the tables, freelance_owner, not by freelance_user"):
        call_command("seed_marketplace", users=30, seed=1, database="default")


def test_without_a_catalogue_it_is_refused(deployed: str) -> None:
    with tried(deployed):
        rows_changed(deployed, "DELETE FROM accounts_skill")
        with pytest.raises(CommandError, match=r"accounts_skill is empty.*loaddata initial_data"):
            call_command("seed_marketplace", users=30, seed=1, database=deployed)


def test_nobody_is_no_marketplace(deployed: str) -> None:
    with pytest.raises(CommandError, match="--users 0: at least 1"):
        call_command("seed_marketplace", users=0, seed=1, database=deployed)


def test_rows_that_break_a_rule_are_not_left_behind(deployed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without = tuple(table for table in TABLES if table.name != "orders_orderstatushistory")
    monkeypatch.setattr(copying, "TABLES", without)
    with pytest.raises(
        CommandError, match=r"\d+ rows of orders_order break the rule of orders_order_history_on_insert"
    ):
        call_command("seed_marketplace", users=30, seed=1, database=deployed)
    assert number(deployed, "SELECT count(*) FROM accounts_user") == 0
    assert number(deployed, "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'") == 0


# ---- what is shown
@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_shown_on_a_terminal_only(
    deployed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    with tried(deployed):
        call_command("seed_marketplace", users=30, seed=1, database=deployed)
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert report["rows"] == sum(report["tables"].values()) > 1000
    assert ("100%" in shown.err and "seed" in shown.err) if watched else shown.err == ""
