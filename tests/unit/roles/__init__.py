"""Tests of all roles, without a host."""
