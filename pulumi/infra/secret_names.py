"""Names of all that is secret, the same for each target. No stack holds a value: targets give references."""

SECRETS = (
    "replicator_password",
    "rewind_password",
    "freelance_user_password",
    "freelance_migrator_password",
    "freelance_staff_password",
    "reporting_user_password",
    "pgbouncer_auth_password",
    "stats_password",
    "monitor_password",
    "backup_password",
    "etcd_root_password",
    "etcd_patroni_password",
    "repository_cipher_passphrase",
    "cache_app_password",
    "cache_operator_password",
    "django_secret_key",
    "superuser_password",
    "field_encryption_key",
    "blind_index_key",
)
AUTHORITY = ("ca_certificate", "ca_private_key")  # of the environment's own certificates
