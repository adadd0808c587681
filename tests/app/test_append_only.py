"""What is append-only stays: the application has no right to change it, and the owner is refused."""

from uuid import uuid4

import factories as make
import pytest
from apps.orders.models import OrderStatusHistory
from django.db import IntegrityError, ProgrammingError, connections, transaction

APPEND_ONLY = ["payments_transaction", "orders_orderstatushistory", "common_release"]
CHANGES = ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE"]


@pytest.mark.usefixtures("database")
class TestAsTheApplication:
    @pytest.mark.parametrize("table", APPEND_ONLY)
    @pytest.mark.parametrize("statement", CHANGES)
    def test_it_has_no_right_to_change_it(self, table: str, statement: str) -> None:
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
            run("default", statement.format(table))

    def test_it_does_not_write_history(self) -> None:
        order = make.order()
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
            OrderStatusHistory.objects.create(order=order, to_status="paid")

    def test_it_does_not_claim_migrations(self) -> None:
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
            run("default", "INSERT INTO django_migrations (app, name, applied) VALUES ('x', 'y', now())")


def run(alias: str, statement: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", CHANGES)
@pytest.mark.usefixtures("owner")
def test_not_even_the_owner_changes_it(table: str, statement: str) -> None:
    fill_as_owner(table)
    with pytest.raises(IntegrityError, match=f"{table}_append_only"), transaction.atomic(using="direct"):
        run("direct", statement.format(table))


@pytest.mark.usefixtures("owner")
def test_an_erasure_changes_the_columns_that_it_names_and_no_other() -> None:
    fill_as_owner("payments_transaction")
    run("direct", "SELECT set_config('app.erases', 'note', true)")
    run("direct", "UPDATE payments_transaction SET note = '***'")
    for statement in ("UPDATE payments_transaction SET note = '', amount = 6", "DELETE FROM payments_transaction"):
        with pytest.raises(IntegrityError, match="payments_transaction_append_only"), transaction.atomic("direct"):
            run("direct", statement)


def fill_as_owner(table: str) -> None:
    """A row trigger needs a row to fire on."""
    user, gig, package, order, wallet = (uuid4() for _ in range(5))
    category = uuid4()
    rows = f"""
        INSERT INTO accounts_user (id, username, password, nickname, user_type, status, avatar_url, headline,
            region_code, is_staff, is_superuser) VALUES
            ('{user}', 'u{user.hex}', '', '', 'both', 'active', '', '', '', false, false),
            ('{wallet}', 'c{user.hex}', '', '', 'both', 'active', '', '', '', false, false);
        INSERT INTO gigs_category (id, level, name, slug, description, sort_order, is_active)
            VALUES ('{category}', 1, '{category}', 'c-{category}', '', 1, true);
        INSERT INTO gigs_gig (id, freelancer_id, category_id, title, description, status, cover_url, rating_average,
            rating_count) VALUES ('{gig}', '{user}', '{category}', '专业标志设计', '', 'draft', '', 0, 0);
        UPDATE gigs_gig SET status = 'pending_review', published_at = now() WHERE id = '{gig}';
        UPDATE gigs_gig SET status = 'active' WHERE id = '{gig}';
        INSERT INTO gigs_gigpackage (id, gig_id, tier, name, description, price, delivery_days, is_active)
            VALUES ('{package}', '{gig}', 'basic', '基础版', '', 10, 3, true);
        INSERT INTO orders_order (id, number, client_id, freelancer_id, gig_id, package_id, status, unit_price,
            quantity, service_fee, requirements_text) VALUES ('{order}', 'FP0000000000000001',
            '{wallet}', '{user}', '{gig}', '{package}', 'pending_payment', 10, 1, 0, '');
        INSERT INTO payments_wallet (id, user_id, balance, status) VALUES ('{wallet}', '{wallet}', 0, 'active');
        INSERT INTO payments_transaction (wallet_id, kind, amount, idempotency_key, note)
            VALUES ('{wallet}', 'deposit', 5, 'key-{order}', '');
        INSERT INTO common_release (release, fixtures_digest, applied_migrations, restore_point)
            VALUES ('r', 'd', '[]', '0/0');
    """  # noqa: S608 (made here)
    run("direct", rows)
    with connections["direct"].cursor() as cursor:
        cursor.execute(f"SELECT count(*) > 0 FROM {table}")  # noqa: S608 (made here)
        assert cursor.fetchone() == (True,)
    run("direct", "SET CONSTRAINTS ALL IMMEDIATE")
