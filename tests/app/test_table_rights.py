"""Every table stands in one list that says who reads and writes it; what is not in it, or is otherwise, fails."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server

LIST = Path(__file__).parent / "data" / "table_rights.txt"
APPLICATION, OTHERS = "freelance_user", ("freelance_staff", "reporting_user", "freelance_ledger", "audit_owner")
COMMANDS = ("SELECT", "INSERT", "UPDATE", "DELETE")

# One row for each table and command: whether the application may run it at all, and on which rows.
RIGHTS = """
SELECT t.relname, command, has_table_privilege('freelance_user', t.oid, command)
        OR has_any_column_privilege('freelance_user', t.oid, command),
    t.relrowsecurity AND t.relforcerowsecurity, p.qual, p.with_check
FROM pg_class AS t CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS command
    LEFT JOIN pg_policies AS p ON p.schemaname = 'public' AND p.tablename = t.relname
        AND p.roles = '{freelance_user}' AND p.cmd IN (command, 'ALL')
WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
"""
