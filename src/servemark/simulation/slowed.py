"""An engine all of whose steps take longer, or less long, by one factor."""

from __future__ import annotations

from servemark.domain.step import DecodeCost, StepTime


class SlowedStep:
    """The step time of another engine times a factor, in whole picoseconds."""

    def __init__(self, step_time: StepTime, factor: float) -> None:
        self._step_time = step_time
        self._factor = factor

    def decode(self, decodes: int) -> DecodeCost:
        base_ps, slope_ps, kink_tokens, late_slope_ps = self._step_time.decode(decodes)
        base, slope, late = (round(each * self._factor) for each in (base_ps, slope_ps, late_slope_ps))
        return DecodeCost(base, slope, kink_tokens, late)

    def mixed(
        self, decodes: int, context_tokens: int, prefill_tokens: int, prefill_pairs: int, prompts: int
    ) -> int:
        duration_ps = self._step_time.mixed(decodes, context_tokens, prefill_tokens, prefill_pairs, prompts)
        return round(duration_ps * self._factor)
