from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("accounts", "0021_contacts_and_the_erased")]
    # It stops where an account has such a name: its person chooses another one first.
    operations = [ValidateConstraint("user", "accounts_user_username_is_no_contact")]
