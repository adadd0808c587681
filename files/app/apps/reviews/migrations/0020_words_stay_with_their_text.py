"""The words of a review are of its texts: who changes none of them, or the other one, takes nothing out of the search."""

from django.db import migrations

from apps.common.row_security import APPLICATION
from apps.common.sql import row_trigger


def others(text: str, weight: str) -> str:
    """Return the condition that the words of a text change, and the text does not. By weight they are told apart."""
    new, old = (f"strip(ts_filter({row}.search_vector, '{{{weight}}}'))" for row in ("NEW", "OLD"))
    return f"(NEW.{text} = OLD.{text} AND {new} IS DISTINCT FROM {old})"


# Not refused: another dictionary cuts the same text into other words. The words are cut again where `…_words_go_stale`,
# which sorts behind this, sees that a text has changed.
STAY = f"""
            IF {others("content", "a")} OR {others("reply_text", "c")} THEN
                NEW.search_vector := OLD.search_vector;
                NEW.search_version := OLD.search_version;
            END IF;"""


class Migration(migrations.Migration):
    dependencies = [("reviews", "0019_texts_are_for_who_decides")]
    operations = [
        row_trigger(
            "reviews_review", "reviews_review_words_are_of_their_text", "BEFORE UPDATE", STAY,
            when=f"current_user = '{APPLICATION}' AND NEW.search_vector IS DISTINCT FROM OLD.search_vector",
        ),
    ]  # fmt: skip
