"""Other rounding environments, in which every page must show what it stores.

A GPU, another processor or another number of threads adds the same numbers in another order. What
a page prints must not hang on that. Each `Weather` changes the rounding of a whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Weather:
    """A rounding environment: variables that replace those of `knotes.environment`, and
    modules that a kernel loads as IPython extensions."""

    name: str
    about: str
    variables: Mapping[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()


#: The environment in which pages are recorded.
PINNED = Weather("pinned", "as recorded")
WEATHERS = {
    weather.name: weather
    for weather in (
        Weather(
            "older",
            "instructions of 2008 (SSE4)",
            {
                "ONEDNN_MAX_CPU_ISA": "SSE41",
                "XLA_FLAGS": "--xla_cpu_max_isa=SSE4_2",
                "OPENBLAS_CORETYPE": "Nehalem",
                "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
            },
        ),
        Weather(
            "newer",
            "the widest instructions that the processor has",
            {
                "ONEDNN_MAX_CPU_ISA": "DEFAULT",
                "XLA_FLAGS": "",
                "OPENBLAS_CORETYPE": "",
                "NPY_DISABLE_CPU_FEATURES": "",
            },
        ),
        Weather("onednn", "oneDNN's own operations", {"TF_ENABLE_ONEDNN_OPTS": "1"}),
        Weather(
            "threads",
            "two threads for each operation",
            {
                "TF_NUM_INTRAOP_THREADS": "2",
                "TF_NUM_INTEROP_THREADS": "2",
                "OPENBLAS_NUM_THREADS": "2",
                "OMP_NUM_THREADS": "2",
            },
        ),
        Weather(
            "noise",
            "gradients times 1 ± 1e-6, in the place of a GPU",
            extensions=("knotes.pipeline.noise",),
        ),
    )
}
