from django.db import migrations

from apps.common.text_columns import TextColumns, limits


class Migration(migrations.Migration):
    dependencies = [("reviews", "0005_search")]
    operations = [
        TextColumns("review", ["author_role", "status"]),
        TextColumns("reviewreport", ["reason", "status", "resolution"]),
        *limits("reviews_reviewreport", resolution=500),
        TextColumns("reviewinvitation", ["status"]),
        TextColumns("reviewtemplate", ["author_role", "title"]),
        *limits("reviews_reviewtemplate", title=50),
        TextColumns("userrating", ["role"]),
    ]
