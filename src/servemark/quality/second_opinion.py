"""What lingua says of a text, where the extra is installed. It informs remarks only: no defect depends on it."""

from __future__ import annotations

from functools import cache
from typing import Any


def second_opinion(text: str, codes: frozenset[str]) -> dict[str, float] | None:
    """ISO 639-1 code -> probability as if the text were in one of `codes`; None without lingua."""
    detector = _detector(codes)
    if detector is None:
        return None
    values = detector.compute_language_confidence_values(text)
    return {each.language.iso_code_639_1.name.lower(): each.value for each in values}


@cache
def _detector(codes: frozenset[str]) -> Any:
    try:
        from lingua import IsoCode639_1, LanguageDetectorBuilder
    except ImportError:
        return None
    named = [getattr(IsoCode639_1, code.upper()) for code in sorted(codes)]
    return LanguageDetectorBuilder.from_iso_codes_639_1(*named).build()
