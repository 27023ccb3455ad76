"""A comparison and a policy -> GO, NO-GO or INCONCLUSIVE; also at looks while the run goes on."""
