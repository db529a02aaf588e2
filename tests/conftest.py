"""What every test may ask for: the shared recordings (skipped where the folder is missing)."""

from pathlib import Path

import pytest

pytest_plugins = ("tests.postgres", "tests.serving", "tests.browser", "tests.ports")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings and vectors that nobody here wrote, beside the project; tests skip where they are missing."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder ../shared/data is not here")
    return folder
