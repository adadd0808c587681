"""An invitation is the platform's; who is invited answers it, and changes neither its time nor what it is about."""

from django.db import migrations

from apps.common.parties import PLATFORM, Parties, named

INVITEE = named("invitee", "invitee_id")
PARTIES = (
    Parties(
        table="reviews_reviewinvitation",
        final="id created_at order_id invitee_id",
        by={INVITEE: "review_id", PLATFORM: "sent_at reminders_sent expires_at"},
        steps={INVITEE: "pending>completed sent>completed sent>declined"},
    ),
)


class Migration(migrations.Migration):
    dependencies = [("reviews", "0020_words_stay_with_their_text")]
    operations = [each.triggers() for each in PARTIES]
