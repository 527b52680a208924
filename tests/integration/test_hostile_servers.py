"""Each server before a crowd of hostile clients: others are answered, and nothing is left of it.

`make nightly-hostile` has more of them, for longer, and looks at the time that others wait.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.integration.hostile import ACTS, SERVICES, besieged

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc"),
]

#: What the crowd may make a server keep.
MEMORY = 96 * 1024 * 1024


@pytest.mark.parametrize("kind", sorted(SERVICES))
def test_others_are_answered_and_nothing_is_left(
    kind: str, tmp_path: Path, certificates: Certificates
) -> None:
    with besieged(kind, tmp_path, str(certificates.server)) as siege:
        descriptors, memory = siege.descriptors(), siege.memory()
        siege.endure(2 * len(ACTS), 0.7)
        assert siege.latencies
        assert siege.most_memory - memory < MEMORY
        assert siege.settle(descriptors) == 0
        siege.ask()
