"""What the server answers, by the names that this package promises."""

from __future__ import annotations

from docket.domain.api import CheckAnswer, SourceCoverage

QueryCheck = CheckAnswer
"""What a query means, or what is wrong with it."""

Coverage = SourceCoverage
"""What of a window one source can answer for right now."""
