import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gigs", "0015_row_security"), migrations.swappable_dependency(settings.AUTH_USER_MODEL)]
    # Of Django alone: the foreign keys refuse anyway.
    operations = [
        migrations.AlterField(
            "gigview", "gig",
            models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="views", to="gigs.gig",
                verbose_name="服务",
            ),
        ),
        migrations.AlterField(
            "gigview", "viewer",
            models.ForeignKey(
                blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT,
                related_name="gig_views", to=settings.AUTH_USER_MODEL, verbose_name="浏览者",
            ),
        ),
        migrations.AlterField(
            "gigstat", "gig",
            models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="stats", to="gigs.gig",
                verbose_name="服务",
            ),
        ),
    ]  # fmt: skip
