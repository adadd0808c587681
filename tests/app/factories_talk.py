"""Rows of messaging and reviews for tests, like `factories`."""

import hashlib
import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import factories as make
from apps.accounts.models import User
from apps.common.models import StatefulModel
from apps.common.reports import Report
from apps.messaging.models import Conversation, Message, MessageAttachment, MessageReport
from apps.orders.models import Order
from apps.reviews.models import Review, ReviewInvitation, ReviewReport
from factories_contracts import completed_order
from factories_people import report_needs

_numbers = itertools.count(1)
MOMENT = datetime(2025, 1, 1, tzinfo=UTC)
STARS = {"rating_overall": 5, "rating_communication": 5, "rating_quality": 4, "rating_timeliness": 5}


def pair() -> tuple[User, User]:
    """Make two people, the one with the lower key first."""
    low, high = sorted([make.user(), make.user()], key=lambda user: user.pk)
    return low, high


def conversation(one: User | None = None, other: User | None = None, **about: Any) -> Conversation:
    one, other = one or make.user(), other or make.user()
    return Conversation.between(one.pk, other.pk, **about)


def message(of: Conversation | None = None, **fields: Any) -> Message:
    """Write into a conversation, as its first person where the test says nothing else."""
    of = of or conversation()
    sender = fields.pop("sender_id", of.participant_low_id)
    return Message.objects.create(
        **{"conversation": of, "sender_id": sender, "body": "您好，请问何时可以开始？", **fields}
    )


def attachment(to: Message | None = None, **fields: Any) -> MessageAttachment:
    number = next(_numbers)
    return MessageAttachment.objects.create(
        **{"message": to or message(), "file_name": "需求说明.pdf", "mime_type": "application/pdf",
           "size_bytes": 204_800, "sha256": hashlib.sha256(b"%d" % number).hexdigest(),
           "storage_key": f"messages/2025/01/{number}-{make.user().pk}", **fields}
    )  # fmt: skip


def message_report(about: Message | None = None, **fields: Any) -> MessageReport:
    about = about or message()
    reporter = fields.pop("reporter_id", None) or about.conversation.other_than(about.sender_id)
    return MessageReport.objects.create(**{"message": about, "reporter_id": reporter, "reason": "spam", **fields})


def review(of: Order | None = None, **fields: Any) -> Review:
    """Let the client of an order review the freelancer."""
    of = of or completed_order()
    return Review.objects.create(
        **{"order": of, "gig_id": of.gig_id, "author_id": of.client_id, "subject_id": of.freelancer_id, **STARS,
           "content": "沟通顺畅，设计专业，按时交付。", **fields}
    )  # fmt: skip


def review_report(about: Review | None = None, **fields: Any) -> ReviewReport:
    return ReviewReport.objects.create(
        **{"review": about or review(), "reporter": fields.pop("reporter", None) or make.user(), "reason": "abuse",
           **fields}
    )  # fmt: skip


def invitation(to: Order | None = None, **fields: Any) -> ReviewInvitation:
    of = to or completed_order()
    return ReviewInvitation.objects.create(**{"order": of, "invitee_id": of.client_id, **fields})


def _handled(_row: Report, status: str) -> dict[str, Any]:
    return report_needs(status)


def _answered(row: ReviewInvitation, status: str) -> dict[str, Any]:
    if status != "completed":
        return {"sent_at": MOMENT, "review": None}
    return {"review": Review.objects.filter(order=row.order, author=row.invitee).first() or review(row.order)}


# Rows in their first state, and the columns that a state asks for.
MODELS: Mapping[type[StatefulModel], Callable[[], Any]] = {
    MessageAttachment: attachment,
    MessageReport: message_report,
    Review: review,
    ReviewReport: review_report,
    ReviewInvitation: invitation,
}
NEEDS: Mapping[type[StatefulModel], Callable[[Any, str], dict[str, Any]]] = {
    MessageReport: _handled,
    ReviewReport: _handled,
    Review: lambda _row, _status: {"published_at": MOMENT},
    ReviewInvitation: _answered,
}
