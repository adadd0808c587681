from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0021_user_names_are_no_contacts")]
    # It stops where an account has such a name: its person chooses another one first.
    operations = [ValidateConstraint("user", "accounts_user_username_is_no_contact")]
