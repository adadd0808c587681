"""Daily figures of reviews, and what reviews come to for people and gigs."""

from apps.common.rollup import RollUp, on_the_day

STARS = tuple(f"stars_{number}" for number in range(1, 6))
COUNT_STARS = ", ".join(
    f"count(*) FILTER (WHERE rating_overall = {number}) AS {name}" for number, name in enumerate(STARS, start=1)
)

REVIEWS = RollUp.upsert(
    table="reviews_reviewstat",
    keys=("day",),
    figures=(
        "reviews_published", "reviews_hidden", "replies_written", "helpful_votes", "reports_filed",
        "invitations_sent", "invitations_completed", *STARS, "rating_overall",
    ),
    # Hidden are those of the day's reviews that are hidden when this is counted.
    select=f"""
        WITH published AS (
            SELECT count(*) AS reviews, count(*) FILTER (WHERE status = 'hidden') AS hidden, {COUNT_STARS},
                round(avg(rating_overall), 2) AS average
            FROM reviews_review WHERE status <> 'pending' AND {on_the_day("published_at")})
        SELECT %(day)s, reviews, hidden,
            (SELECT count(*) FROM reviews_review WHERE {on_the_day("replied_at")}),
            (SELECT count(*) FROM reviews_reviewhelpful WHERE is_helpful AND {on_the_day("created_at")}),
            (SELECT count(*) FROM reviews_reviewreport WHERE {on_the_day("created_at")}),
            (SELECT count(*) FROM reviews_reviewinvitation WHERE {on_the_day("sent_at")}),
            (SELECT count(*) FROM reviews_reviewinvitation AS i JOIN reviews_review AS r ON r.id = i.review_id
                WHERE {on_the_day("r.created_at")}),
            {", ".join(STARS)}, average
        FROM published""",  # noqa: S608 (conditions of this application)
)  # fmt: skip

PEOPLE = RollUp.upsert(
    table="reviews_userrating",
    keys=("user_id", "role"),
    figures=(
        "review_count", "rating_overall", "rating_communication", "rating_quality", "rating_timeliness", *STARS,
        "last_review_at",
    ),
    daily=False,
    # A client reviews a freelancer, and the other way round. An erased person has no figures of their own.
    select=f"""
        WITH published AS (
            SELECT subject_id AS user_id, CASE author_role WHEN 'client' THEN 'freelancer' ELSE 'client' END AS role,
                count(*) AS reviews, round(avg(rating_overall), 2) AS overall,
                round(avg(rating_communication), 2) AS communication, round(avg(rating_quality), 2) AS quality,
                round(avg(rating_timeliness), 2) AS timeliness, {COUNT_STARS}, max(published_at) AS last_review_at
            FROM reviews_review JOIN accounts_user AS u ON u.id = subject_id AND u.status <> 'erased'
            WHERE reviews_review.status = 'published' GROUP BY subject_id, author_role),
        known AS (SELECT user_id, role FROM reviews_userrating)
        SELECT user_id, role, coalesce(reviews, 0), coalesce(overall, 0), coalesce(communication, 0),
            coalesce(quality, 0), coalesce(timeliness, 0), {", ".join(f"coalesce({name}, 0)" for name in STARS)},
            last_review_at
        FROM published FULL JOIN known USING (user_id, role)""",  # noqa: S608 (columns of this application)
)  # fmt: skip

# ReviewQuerySet.of_gig: what clients published. Locked in the order of their keys, as every run does.
GIG_RATINGS = RollUp(
    table="gigs_gig",
    daily=False,
    statement="""
        WITH published AS (
            SELECT gig_id, round(avg(rating_overall), 2) AS average, count(*) AS reviews
            FROM reviews_review WHERE author_role = 'client' AND status = 'published' GROUP BY gig_id),
        changed AS (
            SELECT g.id, coalesce(average, 0) AS average, coalesce(reviews, 0) AS reviews
            FROM gigs_gig AS g LEFT JOIN published AS p ON p.gig_id = g.id
            WHERE (rating_average, rating_count) IS DISTINCT FROM (coalesce(average, 0), coalesce(reviews, 0))
            ORDER BY g.id FOR NO KEY UPDATE OF g)
        UPDATE gigs_gig AS g
        SET rating_average = average, rating_count = reviews, updated_at = statement_timestamp()
        FROM changed WHERE changed.id = g.id""",
)

ROLL_UPS = (REVIEWS, PEOPLE, GIG_RATINGS)
