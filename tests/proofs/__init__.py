"""Proofs on the running lab: drift, reboot, failover, refusals."""
