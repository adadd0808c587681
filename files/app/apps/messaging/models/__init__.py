"""Messages between two people."""

from apps.messaging.models.conversation import Conversation
from apps.messaging.models.message import Message, MessageAttachment, MessageReaction
from apps.messaging.models.safety import BlockedUser, MessageReport
from apps.messaging.models.statistics import MessagingStat
from apps.messaging.models.template import MessageTemplate

__all__ = [
    "BlockedUser",
    "Conversation",
    "Message",
    "MessageAttachment",
    "MessageReaction",
    "MessageReport",
    "MessageTemplate",
    "MessagingStat",
]
