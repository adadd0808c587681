"""The example of docs/changing-the-schema.md: accounts_user.avatar_url becomes picture_url, in three deployments."""
