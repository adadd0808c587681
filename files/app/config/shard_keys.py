"""What each table would be split by, if one cluster were not enough and each person's rows lay on one shard.

A column of the table: a person's key, or the key of the row that it belongs to, whose own entry goes on from there.
(Such a table would get the person's key as a column first: expand, move, contract.) Nothing reads this at run time: a
new table has to answer it, and it tells early which transactions would cross shards. A payment does: from the client's
wallet to the order's escrow to the freelancer's wallet. So the ledger would be split last.
"""

SHARD_KEYS = {
    # accounts
    "accounts_user": "id",
    "accounts_userprivate": "user_id",
    "accounts_userprofile": "user_id",
    "accounts_userskill": "user_id",
    "accounts_education": "user_id",
    "accounts_workexperience": "user_id",
    "accounts_portfolio": "user_id",
    "accounts_userverification": "user_id",
    "accounts_useractivitylog": "user_id",
    # gigs: with who offers them
    "gigs_gig": "freelancer_id",
    "gigs_gigpackage": "gig_id",
    "gigs_gigrequirement": "gig_id",
    "gigs_gigfaq": "gig_id",
    "gigs_gigextra": "gig_id",
    "gigs_gigview": "gig_id",
    "gigs_gigstat": "gig_id",
    "gigs_gigreport": "gig_id",
    "gigs_gigfavorite": "user_id",
    "gigs_gigsearchhistory": "user_id",  # NULL, and then anywhere: nobody was logged in
    # orders: with who buys, as a person has more to buy than to look up
    "orders_order": "client_id",
    "orders_orderstatushistory": "order_id",
    "orders_orderextra": "order_id",
    "orders_orderrequirement": "order_id",
    "orders_delivery": "order_id",
    "orders_ordermessage": "order_id",
    "orders_orderreview": "order_id",
    "orders_orderdispute": "order_id",
    "orders_ordercancellation": "order_id",
    # payments
    "payments_wallet": "user_id",
    "payments_transaction": "wallet_id",
    "payments_paymentmethod": "user_id",
    "payments_withdrawal": "user_id",
    "payments_escrow": "order_id",
    "payments_paymentrefund": "escrow_id",
    # messaging: a conversation lies with one of the two, whose key is the lower one
    "messaging_conversation": "participant_low_id",
    "messaging_message": "conversation_id",
    "messaging_messageattachment": "message_id",
    "messaging_messagereaction": "message_id",
    "messaging_messagereport": "message_id",
    "messaging_messagetemplate": "owner_id",  # NULL: the platform's, on every shard
    "messaging_blockeduser": "blocker_id",
    # reviews: with whom they are about, as that is how they are read
    "reviews_review": "subject_id",
    "reviews_reviewhelpful": "review_id",
    "reviews_reviewreport": "review_id",
    "reviews_reviewinvitation": "order_id",
    "reviews_userrating": "user_id",
    # common
    "common_auditlog": "person_id",  # NULL: about nobody
    "common_erasure": "person_id",
}

# Small, and read beside everybody's rows: a copy on every shard.
ON_EVERY_SHARD = {"accounts_skill", "gigs_category", "reviews_reviewtemplate", "common_release", "common_encryptionkey"}

# Of the whole platform: on a cluster of their own, filled from all shards.
IN_ONE_PLACE = {
    "orders_orderstat", "payments_paymentstat", "payments_payoutbatch", "messaging_messagingstat", "reviews_reviewstat",
}  # fmt: skip
