"""Full-text search over Chinese text: words are cut here, PostgreSQL indexes and finds them."""
