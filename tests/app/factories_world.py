"""One row of each table that is somebody's, for tests of who sees it: committed, made as in `factories`."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
from apps.accounts.login import confirm_contact
from apps.accounts.models import User, UserPrivate
from apps.common.identity import acting_as
from apps.messaging.models import BlockedUser, MessageReaction, MessageTemplate
from apps.orders.models import Delivery, Order, OrderStatusHistory
from apps.payments import ledger
from apps.payments.models import Escrow, Transaction, Wallet
from concurrency import act_for_the_platform

REAL_NAME = "欧阳无名"

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class World:
    """A client and a freelancer with all that they have together or alone, and somebody who has nothing to do with it.

    keys: by table the key of one row; seen_by: by table the people whom it is about, and who alone see it unless it is
    for everybody.
    """

    client: User
    freelancer: User
    stranger: User
    order: Order
    phone: str
    keys: Mapping[str, UUID]
    seen_by: Mapping[str, frozenset[UUID]]


def key_of(table: str) -> str:
    """Return the name of the column of the key."""
    return "user_id" if table in {"accounts_userprivate", "accounts_userprofile"} else "id"


def world() -> World:
    """Make it, as the platform where nobody else has to act."""
    act_for_the_platform()
    client, freelancer, stranger = make.user(), make.user(user_type="freelancer"), make.user()
    package = make.package(gig=make.gig(freelancer=freelancer))
    order = make.order(client=client, package=package)
    shared: list[Any] = [contracts.order_extra(order=order), contracts.requirement(order=order)]
    order.refresh_from_db()
    contracts.deposit(client.pk, order.total_amount + Decimal(100))
    with acting_as(client.pk):
        ledger.hold_escrow(contracts.key(), order)
    order.refresh_from_db()
    order.advance("in_progress")
    shared += [contracts.message(order=order), contracts.cancellation(order=order), contracts.refund(order, "1.00")]
    shared += [Delivery.objects.submit(order, "初稿，请查收。"), contracts.dispute(order=order)]
    done = contracts.completed_order(client=client, package=package)
    written = talk.message(talk.conversation(client, freelancer), sender_id=client.pk)
    shared += [
        order, OrderStatusHistory.objects.filter(order=order).latest("created_at"), Escrow.objects.get(order=order),
        contracts.review_request(order=done), written.conversation, written, talk.attachment(written),
        MessageReaction.objects.create(message=written, user=client, emoji="👍"), talk.review(done),
    ]  # fmt: skip
    review = shared[-1]
    account = contracts.payment_method(user=client)
    wallet = Wallet.objects.get(user=client)
    alone: list[Any] = [
        account, contracts.withdrawal(client, "5.00", account), wallet,
        Transaction.objects.filter(wallet=wallet).latest("created_at"), people.verification(user=client),
        BlockedUser.objects.create(blocker=client, blocked=stranger),
        MessageTemplate.objects.create(owner=client, occasion="greeting", title="自用", body="您好，请稍候。"),
        people.activity(user=client), people.search(user=client), people.report(reporter=client, gig=package.gig),
        people.favorite(user=client, gig=package.gig), people.view(viewer=client, gig=package.gig),
        talk.invitation(done),
    ]  # fmt: skip
    phone = f"+86154{next(_numbers):08d}"
    private = {"phone_number": phone, "real_name": REAL_NAME}
    with acting_as(client.pk):
        alone.append(UserPrivate.objects.create(user=client, email=f"{client.username}@example.cn", **private))
    confirm_contact(client.pk, "phone", phone)
    of_freelancer: list[Any] = [
        talk.message_report(written), talk.review_report(review, reporter=freelancer),
        people.stat(gig=package.gig), package.gig, people.profile(user=freelancer, response_time_minutes=30),
    ]  # fmt: skip
    batch = ledger.submit_payouts("alipay", limit=1)
    seen: list[tuple[list[Any], list[User]]] = [
        (shared, [client, freelancer]), (alone, [client]), (of_freelancer, [freelancer]), ([batch], []),
    ]  # fmt: skip
    rows = [(row, frozenset(person.pk for person in persons)) for group, persons in seen for row in group]
    return World(
        client=client, freelancer=freelancer, stranger=stranger, order=order, phone=phone,
        # A log's key is more than its id.
        keys={row._meta.db_table: getattr(row, "id", row.pk) for row, _ in rows},
        seen_by={row._meta.db_table: persons for row, persons in rows},
    )  # fmt: skip
