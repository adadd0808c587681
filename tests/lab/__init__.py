"""Tests of the lab itself, on a machine within this machine: nothing here touches the lab that may be running."""
