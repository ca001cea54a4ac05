import hashlib
import json


class HasDetails:
    """A row whose ``details``, a dict, somebody looks at in a form before changing them."""

    @property
    def details_mark(self):
        """Another text for other details: whoever changes them shows which ones they saw."""
        return hashlib.sha256(json.dumps(self.details).encode()).hexdigest()
