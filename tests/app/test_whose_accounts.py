"""Messages, accounts for payouts, contacts and papers: what the platform says of them is not its person's to say."""

from datetime import timedelta
from typing import Any

import factories as make
import factories_contracts as contracts
import factories_people as people
import factories_talk as talk
import pytest
from apps.accounts.login import confirm_contact
from apps.accounts.models import User, UserPrivate, UserVerification
from apps.common.identity import acting_as, acting_as_platform
from apps.messaging.models import Message, MessageAttachment
from apps.payments import ledger
from apps.payments.models import PaymentMethod, PaymentRefund
from django.db import ProgrammingError
from django.db.models.functions import Now
from django.utils import timezone
from test_constraints import refused
from test_whose_rows import not_theirs

pytestmark = pytest.mark.usefixtures("database")


# ---- messages
def test_a_message_is_recalled_by_who_wrote_it_once_and_now() -> None:
    message = talk.message(created_at=timezone.now() + timedelta(days=365))
    assert Message.objects.get(pk=message.pk).created_at < timezone.now() + timedelta(minutes=5)
    rows, recipient = Message.objects.filter(pk=message.pk), message.conversation.other_than(message.sender_id)
    not_theirs("messaging_message_recalled_at_by_sender", recipient, lambda: rows.update(recalled_at=Now()))
    with acting_as(message.sender_id):
        rows.update(recalled_at=talk.MOMENT)
    assert rows.get().recalled_at > talk.MOMENT + timedelta(days=1)  # type: ignore[operator]  # it was recalled
    not_theirs("messaging_message_recalled_at_is_final", message.sender_id, lambda: rows.update(recalled_at=None))


def test_a_file_is_scanned_by_the_platform_and_stays_what_was_scanned() -> None:
    file = talk.attachment()
    rows, sender = MessageAttachment.objects.filter(pk=file.pk), file.message.sender_id
    not_theirs("messaging_messageattachment_status_by_platform", sender, lambda: rows.update(status="clean"))
    rows.update(status="clean")
    not_theirs("messaging_messageattachment_storage_key_is_final", sender, lambda: rows.update(storage_key="other"))


# ---- money
def test_an_account_is_verified_by_the_platform() -> None:
    account = contracts.payment_method(status="unverified")
    rows, person = PaymentMethod.objects.filter(pk=account.pk), account.user_id
    verified = {"status": "active", "verified_at": timezone.now()}
    not_theirs("payments_paymentmethod_verified_at_by_platform", person, lambda: rows.update(**verified))
    rows.update(verified_at=timezone.now())
    not_theirs("payments_paymentmethod_status_by_platform", person, lambda: rows.update(status="active"))
    rows.update(status="active")
    with acting_as(person):
        rows.update(is_default=True, label="常用")
        account.refresh_from_db()
        account.save()
    assert rows.get().status == "active"


@pytest.mark.parametrize(
    "change", [{"account_number": "other@example.cn"}, {"holder_name": "李娜"}, {"kind": "wechat_pay"}], ids=str
)
def test_another_account_is_verified_anew(change: dict[str, Any]) -> None:
    with acting_as_platform():
        made = contracts.payment_method(account_number="zhang@example.cn", holder_name="张伟", is_default=False)
    with acting_as(made.user_id):
        account = PaymentMethod.objects.get(pk=made.pk)
        account.label, account.is_default = "常用", True
        account.save()
        account.refresh_from_db()
        # What is saved as it was is no change.
        assert (account.status, account.account_number) == ("active", "zhang@example.cn")
        for column, value in change.items():
            setattr(account, column, value)
        account.save()
        account.refresh_from_db()
    assert (account.status, account.verified_at, account.is_default) == ("unverified", None, False)


@pytest.mark.parametrize(
    ("field", "column", "value"),
    [
        ("account_number", "account_number_sealed", "other@example.cn"), ("holder_name", "holder_name_sealed", "李娜"),
        ("bank_name", "bank_name", "中国银行"), ("kind", "kind", "wechat_pay"),
    ],
)  # fmt: skip
def test_staff_do_not_lead_a_payout_elsewhere(field: str, column: str, value: str) -> None:
    account = contracts.payment_method(account_number="zhang@example.cn", holder_name="张伟")
    account.refresh_from_db()
    setattr(account, field, value)
    rule, staff = f"payments_paymentmethod_{column}_by_holder", people.staff()
    with pytest.raises(ProgrammingError, match=rule), acting_as_platform():
        account.save(update_fields=[field])
    not_theirs(rule, staff.pk, lambda: account.save(update_fields=[field]))
    with acting_as(staff.pk):
        assert PaymentMethod.objects.filter(pk=account.pk).update(status="disabled") == 1


def test_staff_do_not_put_an_account_beside_somebodys_own() -> None:
    person = make.user()
    new = {"user": person, "kind": "alipay", "last_characters": "8000"}
    for act in (acting_as_platform(), acting_as(people.staff().pk)):
        with pytest.raises(ProgrammingError, match="payments_paymentmethod_new_by_holder"), act:
            PaymentMethod.objects.create(**new)
    with acting_as(person.pk):
        assert PaymentMethod.objects.create(**new).status == "unverified"


def test_an_account_stays_while_money_is_on_its_way_there() -> None:
    person = contracts.person("100.00")
    account = contracts.payment_method(user=person)
    asked = contracts.withdrawal(person, "5.00", account)
    account.account_number = "other@example.cn"
    with acting_as(person.pk):
        refused("payments_paymentmethod_stays_while_money_is_on_its_way", account.save)
        ledger.cancel_withdrawal(contracts.key(), asked)
        account.save()


def test_a_party_does_not_stand_in_the_way_of_a_decision() -> None:
    order, judge = contracts.disputed_order(), make.user(is_staff=True)
    dispute = contracts.decided_dispute(order, "partial_refund", "50.00")
    for person in (order.client, order.freelancer):
        asks = {"requested_by": person, "reason": "dispute", "dispute": dispute}
        for is_staff in (False, True):
            User.objects.filter(pk=person.pk).update(is_staff=is_staff)
            not_theirs(
                "payments_paymentrefund_new_by_platform", person.pk, lambda: contracts.refund(order, "0.01", **asks)  # noqa: B023 (called at once)
            )  # fmt: skip
    # One that was turned down stands in nobody's way, one that waits does.
    asks = {"requested_by": judge, "reason": "dispute", "dispute": dispute}
    with acting_as(judge.pk):
        ledger.withdraw_refund(contracts.refund(order, "50.00", **asks))
        waits = contracts.refund(order, "50.00", **asks)
        refused("payments_paymentrefund_one_to_pay_per_dispute", lambda: contracts.refund(order, "50.00", **asks))
        ledger.withdraw_refund(waits)
        ledger.resolve_dispute(contracts.key(), dispute, judge.pk)
    paid = [refund.status for refund in PaymentRefund.objects.filter(dispute=dispute).order_by("created_at", "id")]
    assert paid == ["withdrawn", "withdrawn", "completed"]


# ---- people
def test_a_contact_is_verified_by_the_platform_and_another_one_not_yet() -> None:
    person, phone = make.user(), "+8613800138999"
    seen = {"phone_number": phone, "phone_verified_at": timezone.now()}
    by_platform = "accounts_userprivate_phone_verified_at_by_platform"
    not_theirs(by_platform, person.pk, lambda: UserPrivate.objects.create(user=person, **seen))
    with acting_as(person.pk):
        private = UserPrivate.objects.create(user=person, phone_number=phone)
    rows = UserPrivate.objects.filter(pk=person.pk)
    not_theirs(by_platform, person.pk, lambda: rows.update(phone_verified_at=timezone.now()))
    not_theirs(
        "accounts_userprivate_verified_by_platform", person.pk, lambda: confirm_contact(person.pk, "phone", phone)
    )
    assert not confirm_contact(person.pk, "phone", "+8613800138998")
    assert confirm_contact(person.pk, "phone", phone)
    with acting_as(person.pk):
        private.refresh_from_db()
        private.save()
        assert rows.get().phone_verified_at is not None
        private.phone_number = "+8613800138997"
        private.save()
        assert rows.get().phone_verified_at is None


def test_papers_are_decided_on_by_staff_in_their_own_name() -> None:
    papers, judge, other = people.verification("in_review"), people.staff(), people.staff()
    rows = UserVerification.objects.filter(pk=papers.pk)
    approve = {"status": "approved", "reviewed_at": timezone.now()}
    in_own_name = "accounts_userverification_decided_in_own_name"
    refused(in_own_name, lambda: rows.update(**approve))
    with acting_as(judge.pk):
        refused(in_own_name, lambda: rows.update(**approve))
        refused(in_own_name, lambda: rows.update(**approve, reviewer=other))
        assert rows.update(**approve, reviewer=judge) == 1


def test_papers_are_taken_up_and_revoked_in_ones_own_name() -> None:
    judge, other = people.staff(), people.staff()
    rows = UserVerification.objects.filter(pk=people.verification().pk)
    in_own_name = "accounts_userverification_decided_in_own_name"
    with acting_as(judge.pk):
        refused(in_own_name, lambda: rows.update(status="in_review", reviewer=other))
        assert rows.update(status="in_review", reviewer=judge) == 1
        assert rows.update(status="approved", reviewed_at=timezone.now()) == 1
    with acting_as(other.pk):
        # The name of who approved them is still there.
        refused(in_own_name, lambda: rows.update(status="revoked"))
        refused(in_own_name, lambda: rows.update(status="revoked", reviewer=None))
        assert rows.update(status="revoked", reviewer=other) == 1
