"""`python -m bsm_remediate`."""

from bsm_remediate.cli import main

main()
