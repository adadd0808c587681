from django.db import migrations

from apps.common.text_columns import limits_hold


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_texts_have_no_length_of_type")]
    operations = [
        *limits_hold("accounts_user", password=128, username=64, nickname=50, avatar_url=500, headline=120),
        *limits_hold("accounts_useractivitylog", user_agent=300),
        *limits_hold("accounts_education", school=100, major=100, description=500),
        *limits_hold("accounts_workexperience", company=100, title=50),
        *limits_hold("accounts_portfolio", title=100, cover_url=500, project_url=500, client_name=100),
        *limits_hold("accounts_userprofile", company_name=100, job_title=50, portfolio_url=500),
        *limits_hold("accounts_skill", name=50, slug=80),
        *limits_hold("accounts_userverification", rejection_reason=500),
    ]
