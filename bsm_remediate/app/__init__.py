"""The composition root: the only place where the parts meet. Nothing opens or connects before it is asked for."""

from bsm_remediate.app.installation import Installation, now

__all__ = ["Installation", "now"]
