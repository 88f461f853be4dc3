"""``python -m harness.guardian``: started by :class:`harness.guardian.Guardian`, never by hand."""

from harness.guardian.keeper import main

main()
