"""pass@k: whether one of several samples passes."""

from __future__ import annotations

from math import prod


def pass_at_k(n: int, c: int, k: int) -> float:
    """The probability that one of k samples passes, estimated without bias from n of which c passed.

    1 - C(n - c, k) / C(n, k), as a product so that no large factorial is formed. Raises ValueError unless
    0 <= c <= n and 1 <= k <= n.
    Source: Chen et al. 2021, Evaluating Large Language Models Trained on Code, arXiv:2107.03374, section 2.1.
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass_at_k: needs 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}")
    if n - c < k:
        return 1.0
    return 1.0 - prod(1.0 - k / i for i in range(n - c + 1, n + 1))
