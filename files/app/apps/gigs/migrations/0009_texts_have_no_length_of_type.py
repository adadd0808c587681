from django.db import migrations

from apps.common.text_columns import TextColumns, limits


class Migration(migrations.Migration):
    dependencies = [("gigs", "0008_search_index")]
    operations = [
        TextColumns("category", ["name", "slug", "description"]),
        *limits("gigs_category", name=50, slug=80, description=300),
        TextColumns("gig", ["title", "status", "cover_url"]),
        *limits("gigs_gig", cover_url=500),
        TextColumns("gigpackage", ["tier", "name", "description", "currency"]),
        *limits("gigs_gigpackage", name=50, description=500),
        TextColumns("gigrequirement", ["kind", "question"]),
        *limits("gigs_gigrequirement", question=300),
        TextColumns("gigfaq", ["question"]),
        *limits("gigs_gigfaq", question=200),
        TextColumns("gigextra", ["name", "description", "currency"]),
        *limits("gigs_gigextra", name=50, description=300),
        TextColumns("gigview", ["session_digest", "source"]),
        TextColumns("gigsearchhistory", ["session_digest", "query_text"]),
        *limits("gigs_gigsearchhistory", query_text=200),
        TextColumns("gigreport", ["reason", "status", "resolution"]),
        *limits("gigs_gigreport", resolution=500),
        TextColumns("gigstat", ["currency"]),
    ]
