"""Queries on conversations and messages."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from apps.messaging.models import (
        BlockedUser,  # noqa: F401 (named in a string below, as the others here)
        Conversation,
        Message,  # noqa: F401 (the same)
        MessageTemplate,  # noqa: F401 (the same)
    )


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def with_people(self) -> "ConversationQuerySet":
        """Load both people, the gig and the order in the same query."""
        return self.select_related("participant_low", "participant_high", "gig", "order")

    def inbox(self, user_id: "UUID") -> "ConversationQuerySet":
        """Return a person's conversations that they did not archive, the one with the newest message first."""
        return self.filter(
            Q(participant_low_id=user_id, archived_by_low=False)
            | Q(participant_high_id=user_id, archived_by_high=False)
        ).order_by(F("last_message_at").desc(nulls_last=True), "-id")

    def between(self, one_id: "UUID", other_id: "UUID") -> "ConversationQuerySet":
        """Return the conversations of two people, in whatever order they are named."""
        low, high = sorted([one_id, other_id])
        return self.filter(participant_low_id=low, participant_high_id=high)


class MessageQuerySet(models.QuerySet["Message"]):
    def with_parts(self) -> "MessageQuerySet":
        """Load sender, attachments and reactions in three queries, however many messages there are."""
        return self.select_related("sender").prefetch_related("attachments", "reactions")

    def page_before(self, conversation: "Conversation", number: int | None = None) -> "MessageQuerySet":
        """Return a conversation's messages, newest first, those before message `number` where it is given."""
        page = self.filter(conversation=conversation)
        if number is not None:
            page = page.filter(number__lt=number)
        return page.order_by("-number")

    def since(self, conversation: "Conversation", moment: "datetime") -> "MessageQuerySet":
        """Return a conversation's messages from `moment` on, the oldest first."""
        return self.filter(conversation=conversation, created_at__gte=moment).order_by("created_at", "id")

    def unread_by(self, reader_id: "UUID", conversation: "Conversation") -> "MessageQuerySet":
        """Return what the other person wrote and the reader has not seen."""
        return self.filter(conversation=conversation, read_at__isnull=True).exclude(sender_id=reader_id)

    def sent_by(self, sender_id: "UUID") -> "MessageQuerySet":
        """Return what a person wrote, newest first: for moderation."""
        return self.filter(sender_id=sender_id).order_by("-created_at", "-id")

    def mark_read(self, reader_id: "UUID", conversation: "Conversation") -> int:
        """Mark what the reader had not seen and return how many messages that were. The reader has to act."""
        return self.unread_by(reader_id, conversation).update(read_at=Now(), updated_at=Now())


class MessageTemplateQuerySet(models.QuerySet["MessageTemplate"]):
    def offered_to(self, user_id: "UUID") -> "MessageTemplateQuerySet":
        """Return the platform's templates and the person's own."""
        return self.filter(Q(owner__isnull=True) | Q(owner_id=user_id), is_active=True).order_by("sort_order", "id")


class BlockedUserQuerySet(models.QuerySet["BlockedUser"]):
    def between(self, one_id: "UUID", other_id: "UUID") -> "BlockedUserQuerySet":
        """Return the blocks between two people, whoever made them."""
        return self.filter(Q(blocker_id=one_id, blocked_id=other_id) | Q(blocker_id=other_id, blocked_id=one_id))
