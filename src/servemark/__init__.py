"""Servemark: how much load can this hardware carry before one of its promises breaks?

import servemark as sm
sm.fit("llama-3.1-8b", gpu="l40s")
run = sm.predict("llama-3.1-8b", gpu="l40s", users=[1, 8, 32], slo="ttft_p95=2s")
run = sm.measure("http://127.0.0.1:8000/v1", users=[1, 8, 32], slo="ttft_p95=2s,failures=1%")
"""

__version__ = "0.1.0"
