"""What a migration does although it should not, each with the reason why nobody suffered. New entries are contract
steps, which name the release that came in between."""

FIRST = "part of the first release: the table is made by the same deployment and holds no row"
NO_RIGHT_YET = "part of the first release: no application runs before the same deployment ends"
NOBODY_ACTS = (
    "row security comes to a table: code that does not say who acts finds no row there. There is no release of overlap:"
    " the deployment that brings it stops the application (docs/changing-the-schema.md)"
)
SAME_BYTES = (
    "varchar(n) and text are the same bytes: no row is written again. What is, are indexes whose condition reads the"
    " column: part of the first release, whose tables are small"
)
NO_STATEMENT_SAYS_IT = "a constraint, whose name no release puts into a statement"
HALF_BUILT = "a half-built index is refused by name when the deployment ends"

# By migration and rule of squawk.
LINT = {
    ("gigs.0002_integrity", "adding-foreign-key-constraint"): FIRST,
    ("gigs.0002_integrity", "constraint-missing-not-valid"): FIRST,
    ("orders.0002_integrity", "adding-foreign-key-constraint"): FIRST,
    ("orders.0002_integrity", "constraint-missing-not-valid"): FIRST,
    ("payments.0006_integrity", "adding-foreign-key-constraint"): FIRST,
    ("payments.0006_integrity", "constraint-missing-not-valid"): FIRST,
    ("reviews.0004_integrity", "adding-foreign-key-constraint"): FIRST,
    ("reviews.0004_integrity", "constraint-missing-not-valid"): FIRST,
    ("accounts.0006_search", "require-concurrent-index-creation"): FIRST,
    ("reviews.0005_search", "require-concurrent-index-creation"): FIRST,
    ("orders.0013_summaries", "require-concurrent-index-creation"): "of views that the same migration makes",
    ("orders.0019_averages_of_several", "require-concurrent-index-creation"): "of a view that the same migration makes",
    ("orders.0019_averages_of_several", "ban-drop-view"): "made anew by the next statement, with the same columns",
    ("payments.0023_keys_tell_nothing", "ban-drop-function"): "made anew by the next statement, as it was called",
    ("accounts.0011_seal_private_columns", "constraint-missing-not-valid"): FIRST,
    ("accounts.0011_seal_private_columns", "disallowed-unique-constraint"): FIRST,
    ("accounts.0011_seal_private_columns", "ban-drop-constraint"): "it asks for the plain number; 0013 makes it anew",
    ("accounts.0012_seal_identity", "require-concurrent-index-creation"): FIRST,
    ("accounts.0013_drop_plain_columns", "constraint-missing-not-valid"): FIRST,
    ("accounts.0013_drop_plain_columns", "ban-drop-column"): (
        "contract of 0011 without a release between: the deployment that brings row security stops the application"
        " anyway. It is refused while a plain value is left (`encrypt_columns`)"
    ),
    ("accounts.0016_rights_are_given", "ban-drop-function"): "of a trigger, which goes with it; a narrower one comes",
    ("orders.0023_at_the_price_of_the_offer", "ban-drop-function"): "of a trigger, which the next statement makes anew",
    ("orders.0030_a_party_hands_in", "ban-drop-function"): "of a trigger, which the next statement makes anew",
    ("accounts.0025_papers_in_own_name", "ban-drop-function"): "of a trigger, which goes with it; a wider one comes",
    (
        "messaging.0017_read_by_who_got_it",
        "ban-drop-function",
    ): "of a trigger, whose rule Parties says as well",
    ("payments.0022_amount_as_shown", "ban-drop-function"): (
        "without the amount that was shown it pays what nobody saw. The release before calls it; it is stopped by the"
        " deployment that brings row security"
    ),
    ("payments.0027_refunds_of_a_dispute", "prefer-robust-stmts"): HALF_BUILT,
    ("orders.0032_orders_without_a_fee", "prefer-robust-stmts"): HALF_BUILT,
    ("orders.0028_fees_are_written", "prefer-robust-stmts"): "both statements say the same when they are run again",
    ("payments.0027_refunds_of_a_dispute", "ban-drop-constraint"): "the step before made a narrower one",
    ("payments.0029_paid_with_a_fee", "ban-drop-function"): "made anew by the next statement, as it was called",
    ("orders.0027_the_fee_fixes_the_price", "ban-drop-not-null"): (
        "the database writes NULL in the place of the 0 that a client's order has in the release before. That one reads"
        " None, counts nothing with it, and does not pay before the fee is there: on purpose"
    ),
    ("payments.0003_methods", "ban-drop-constraint"): "replaced by the same statement's wider rule; 0006 validates it",
    ("common.0005_texts_have_no_length_of_type", "changing-column-type"): SAME_BYTES,
    ("accounts.0007_texts_have_no_length_of_type", "changing-column-type"): SAME_BYTES,
    ("gigs.0009_texts_have_no_length_of_type", "changing-column-type"): SAME_BYTES,
    ("orders.0008_texts_have_no_length_of_type", "changing-column-type"): SAME_BYTES,
    ("payments.0010_texts_have_no_length_of_type", "changing-column-type"): SAME_BYTES,
    ("messaging.0005_texts_have_no_length_of_type", "changing-column-type"): SAME_BYTES,
    ("reviews.0006_texts_have_no_length_of_type", "changing-column-type"): SAME_BYTES,
    ("orders.0020_speaking_names", "renaming-object"): NO_STATEMENT_SAYS_IT,
    ("payments.0024_speaking_names", "renaming-object"): NO_STATEMENT_SAYS_IT,
    ("reviews.0016_speaking_names", "renaming-object"): NO_STATEMENT_SAYS_IT,
    ("gigs.0008_search_index", "prefer-robust-stmts"): HALF_BUILT,
    ("messaging.0007_inbox_indexes", "prefer-robust-stmts"): HALF_BUILT,
    ("gigs.0018_days", "prefer-robust-stmts"): HALF_BUILT,
    ("orders.0017_days", "prefer-robust-stmts"): HALF_BUILT,
    ("payments.0020_days", "prefer-robust-stmts"): HALF_BUILT,
    ("messaging.0013_days", "prefer-robust-stmts"): HALF_BUILT,
    ("reviews.0013_days", "prefer-robust-stmts"): HALF_BUILT,
    ("orders.0022_what_waits_too_long", "prefer-robust-stmts"): HALF_BUILT,
    ("accounts.0023_users_by_part_of_name", "prefer-robust-stmts"): HALF_BUILT,
    ("gigs.0025_gigs_by_part_of_title", "prefer-robust-stmts"): HALF_BUILT,
}

# By migration and table: all rows are written anew, under a lock that stops readers.
REWRITES = {
    ("orders.0003_contract", "orders_order"): (
        "the total is computed from another column, too. Part of the first release: there is no order yet. On a table"
        " with rows it would be a new column, moved and contracted"
    ),
}

# By migration: what the running release may do no more when it has been applied.
TAKES_RIGHTS = {
    "common.0002_release": "the list of migrations: no release ever wrote it but by migrating",
    "common.0010_owner_enlists_keys": "the table is made by common.0008 of the same release: none before it knows it",
    "orders.0002_integrity": NO_RIGHT_YET,
    "orders.0007_integrity": NO_RIGHT_YET,
    "payments.0002_integrity": NO_RIGHT_YET,
    "payments.0006_integrity": NO_RIGHT_YET,
    "messaging.0004_integrity": NO_RIGHT_YET,
    "reviews.0004_integrity": NO_RIGHT_YET,
    "orders.0018_whose_columns": NOBODY_ACTS,
    "messaging.0014_whose_columns": NOBODY_ACTS,
    "payments.0007_ledger": (
        "the application wrote wallets and entries itself, from here on the ledger's functions do. There is no release"
        " of overlap: code from before it cannot move money"
    ),
    "accounts.0014_row_security": NOBODY_ACTS,
    "accounts.0016_rights_are_given": NOBODY_ACTS,
    "gigs.0017_rights": NOBODY_ACTS,
    "reviews.0011_rights": NOBODY_ACTS,
    "orders.0015_no_party_decides": NOBODY_ACTS,
    "payments.0018_nobody_pays_themselves": NOBODY_ACTS,
    "messaging.0011_reports_are_decided": NOBODY_ACTS,
    "gigs.0015_row_security": NOBODY_ACTS,
    "orders.0014_row_security": NOBODY_ACTS,
    "payments.0017_row_security": NOBODY_ACTS,
    "messaging.0010_row_security": NOBODY_ACTS,
    "reviews.0010_row_security": NOBODY_ACTS,
}
