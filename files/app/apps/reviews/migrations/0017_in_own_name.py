"""Who votes, reports or is invited is asked for before the rules of these tables answer with the owner's rights."""

from django.db import migrations

from apps.common.parties import in_own_name


class Migration(migrations.Migration):
    dependencies = [("reviews", "0016_speaking_names"), ("accounts", "0014_row_security")]
    operations = [
        in_own_name("reviews_reviewhelpful", "user_id"),
        in_own_name("reviews_reviewreport", "reporter_id"),
        in_own_name("reviews_reviewinvitation", "invitee_id"),
    ]
