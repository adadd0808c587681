"""Tests against a server of the AWS API on this machine."""
