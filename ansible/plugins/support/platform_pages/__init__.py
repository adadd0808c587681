"""Pages for operators: what hosts say, put in order, as rows for a table and drawings for a page."""
