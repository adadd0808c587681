"""Money: the ledger is append-only, a wallet moves with it and with nothing else, and never below zero."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from uuid import uuid4

import factories as make
import pytest
from apps.orders.models import OrderStatusHistory
from apps.payments.models import Transaction, Wallet
from django.db import IntegrityError, ProgrammingError, connections, transaction
from django.db.models import Sum

APPEND_ONLY = ["payments_transaction", "orders_orderstatushistory", "common_release"]


def balance(wallet: Wallet, alias: str = "default") -> Decimal:
    return Wallet.objects.using(alias).get(pk=wallet.pk).balance


@pytest.mark.usefixtures("database")
class TestAsTheApplication:
    def test_an_entry_moves_the_balance(self) -> None:
        wallet = make.wallet("100.00")
        make.entry(wallet, "-30.50", "withdrawal")
        assert balance(wallet) == Decimal("69.50")

    def test_several_entries_in_one_statement_all_count(self) -> None:
        wallet = make.wallet()
        rows = [
            Transaction(wallet=wallet, kind="deposit", amount=Decimal("1.11"), idempotency_key=f"bulk-entry-{number}")
            for number in range(10)
        ]
        Transaction.objects.bulk_create(rows)
        assert balance(wallet) == Decimal("11.10")

    def test_a_balance_never_goes_below_zero(self) -> None:
        wallet = make.wallet("10.00")
        with pytest.raises(IntegrityError, match="payments_wallet_balance_not_negative"), transaction.atomic("default"):
            make.entry(wallet, "-10.01", "withdrawal")
        assert balance(wallet) == Decimal("10.00")
        assert wallet.transactions.count() == 1

    def test_the_same_request_twice_is_posted_once(self) -> None:
        wallet = make.wallet()
        make.entry(wallet, "5.00", idempotency_key="request-0001")
        with pytest.raises(IntegrityError, match="payments_transaction_posted_once"), transaction.atomic("default"):
            make.entry(wallet, "5.00", idempotency_key="request-0001")
        again = Transaction(
            wallet=wallet, kind="deposit", amount=Decimal("5.00"), idempotency_key="request-0001"
        )  # fmt: skip
        Transaction.objects.bulk_create([again], ignore_conflicts=True)
        assert balance(wallet) == Decimal("5.00")

    @pytest.mark.parametrize(
        ("amount", "kind"), [("-5.00", "deposit"), ("5.00", "withdrawal"), ("0.00", "adjustment"), ("5.00", "present")]
    )
    def test_the_sign_fits_a_known_kind(self, amount: str, kind: str) -> None:
        wallet = make.wallet("100.00")
        constraint = "payments_transaction_sign_fits_known_kind"
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic("default"):
            make.entry(wallet, amount, kind)

    def test_a_payment_names_its_order(self) -> None:
        wallet = make.wallet("100.00")
        with pytest.raises(IntegrityError, match="payments_transaction_names_its_order"), transaction.atomic("default"):
            make.entry(wallet, "-5.00", "payment")
        assert make.entry(wallet, "-5.00", "payment", order=make.order()).pk

    def test_foreign_currency_is_refused(self) -> None:
        wallet = make.wallet()
        with pytest.raises(IntegrityError, match="payments_transaction_currency_is_cny"), transaction.atomic("default"):
            make.entry(wallet, "5.00", currency="USD")

    def test_a_wallet_opens_empty(self) -> None:
        with pytest.raises(IntegrityError, match="payments_wallet_opens_empty"), transaction.atomic("default"):
            Wallet.objects.create(user=make.user(), balance=Decimal("1.00"))

    @pytest.mark.parametrize("table", ["payments_wallet", *APPEND_ONLY])
    @pytest.mark.parametrize("statement", ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
    def test_the_application_has_no_right_to_change_it(self, table: str, statement: str) -> None:
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
            run("default", statement.format(table))

    def test_the_application_does_not_write_history(self) -> None:
        order = make.order()
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
            OrderStatusHistory.objects.create(order=order, to_status="paid")

    def test_the_application_does_not_claim_migrations(self) -> None:
        with pytest.raises(ProgrammingError, match="permission denied"), transaction.atomic("default"):
            run("default", "INSERT INTO django_migrations (app, name, applied) VALUES ('x', 'y', now())")


def run(alias: str, statement: str) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET created_at = now()", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
@pytest.mark.usefixtures("owner")
def test_not_even_the_owner_changes_what_is_append_only(table: str, statement: str) -> None:
    fill_as_owner(table)
    with pytest.raises(IntegrityError, match=f"{table}_append_only"), transaction.atomic(using="direct"):
        run("direct", statement.format(table))


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


@pytest.fixture
def funded(migrated: object) -> Iterator[Wallet]:  # noqa: ARG001 (it comes first)
    """A committed wallet with 100 yuan: two connections have to see it. Its rows stay, the ledger keeps what it has."""
    yield make.wallet("100.00")
    connections["default"].close()


def test_two_withdrawals_at_once_do_not_spend_the_same_money(funded: Wallet) -> None:
    outcomes: list[str] = []
    together = threading.Barrier(2)

    def withdraw() -> None:
        try:
            with transaction.atomic(using="default"):
                together.wait(timeout=20)
                make.entry(funded, "-80.00", "withdrawal")
            outcomes.append("paid")
        except IntegrityError as error:
            outcomes.append("refused" if "payments_wallet_balance_not_negative" in str(error) else str(error))
        finally:
            connections["default"].close()

    in_threads(withdraw, withdraw)
    assert sorted(outcomes) == ["paid", "refused"]
    assert balance(funded) == Decimal("20.00")
    total = Transaction.objects.using("default").filter(wallet=funded).aggregate(total=Sum("amount"))["total"]
    assert total == balance(funded)


def in_threads(*actions: Callable[[], None]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
        assert not thread.is_alive()
