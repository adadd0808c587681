from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from apps.common.public_rows import written_by
from apps.common.reports import handled_by_no_party
from apps.common.row_security import PLATFORM, row_security


class Migration(migrations.Migration):
    dependencies = [("messaging", "0010_row_security"), ("accounts", "0016_rights_are_given")]
    operations = [
        handled_by_no_party(
            "messaging_messagereport", "SELECT sender_id FROM public.messaging_message WHERE id = NEW.message_id"
        ),
        AddConstraintNotValid(
            "messagereport",
            models.CheckConstraint(
                condition=models.Q(status__in=["open", "reviewing"]) | models.Q(resolution__regex=r"\S"),
                name="messaging_messagereport_decision_is_explained",
                violation_error_message="处理完毕的举报须有结果说明。",
            ),
        ),
        # The whole platform's figures, counted by the roll-up.
        row_security("messaging_messagingstat", written_by(PLATFORM, sees=PLATFORM)),
    ]
