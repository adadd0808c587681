from django.db import migrations

from apps.common.text_columns import TextColumns, limits


class Migration(migrations.Migration):
    dependencies = [("accounts", "0006_search")]
    operations = [
        TextColumns(
            "user", ["password", "username", "nickname", "user_type", "status", "avatar_url", "headline", "region_code"]
        ),
        *limits("accounts_user", password=128, username=64, nickname=50, avatar_url=500, headline=120),
        TextColumns("useractivitylog", ["action", "channel", "user_agent"]),
        *limits("accounts_useractivitylog", user_agent=300),
        TextColumns("education", ["school", "degree", "major", "description"]),
        *limits("accounts_education", school=100, major=100, description=500),
        TextColumns("workexperience", ["company", "title", "employment_type"]),
        *limits("accounts_workexperience", company=100, title=50),
        TextColumns("portfolio", ["title", "cover_url", "project_url", "client_name"]),
        *limits("accounts_portfolio", title=100, cover_url=500, project_url=500, client_name=100),
        TextColumns(
            "userprofile",
            ["availability", "currency", "working_city_code", "company_name", "job_title", "portfolio_url"],
        ),
        *limits("accounts_userprofile", company_name=100, job_title=50, portfolio_url=500),
        TextColumns("skill", ["name", "slug", "area"]),
        *limits("accounts_skill", name=50, slug=80),
        TextColumns("userskill", ["level"]),
        TextColumns("userverification", ["kind", "status", "rejection_reason"]),
        *limits("accounts_userverification", rejection_reason=500),
    ]
