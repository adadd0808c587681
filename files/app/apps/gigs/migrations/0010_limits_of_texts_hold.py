from django.db import migrations

from apps.common.text_columns import limits_hold


class Migration(migrations.Migration):
    dependencies = [("gigs", "0009_texts_have_no_length_of_type")]
    operations = [
        *limits_hold("gigs_category", name=50, slug=80, description=300),
        *limits_hold("gigs_gig", cover_url=500),
        *limits_hold("gigs_gigpackage", name=50, description=500),
        *limits_hold("gigs_gigrequirement", question=300),
        *limits_hold("gigs_gigfaq", question=200),
        *limits_hold("gigs_gigextra", name=50, description=300),
        *limits_hold("gigs_gigsearchhistory", query_text=200),
        *limits_hold("gigs_gigreport", resolution=500),
    ]
