"""Settings for tools that read the models and never connect, like the type checker: an environment of examples."""

import os

os.environ.update(
    {
        "ENV_FILE": os.devnull,
        "DJANGO_SECRET_KEY": "static",
        "DB_NAME": "freelance_platform",
        "DB_USER": "freelance_user",
        "DB_PASSWORD": "static",
        "DB_HOST": "localhost",
        "DB_SSLROOTCERT": os.devnull,
    }
)

from config.settings import *  # noqa: F403 (the environment comes first; a settings module is its names)
