import subprocess
import sys

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pilothouse", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)


def test_help_lists_every_command() -> None:
    told = run("--help")
    assert told.returncode == 0
    for command in ("up", "operator", "proxy", "validate", "version"):
        assert f"  {command} " in told.stdout


def test_without_a_command_the_usage_is_told_and_it_fails() -> None:
    told = run()
    assert (told.returncode, told.stdout[:6]) == (2, "usage:")


def test_an_unknown_command_is_named() -> None:
    told = run("steer")
    assert told.returncode == 2
    assert "'steer'" in told.stderr


@pytest.mark.parametrize("spelled", ["version", "--version"])
def test_the_version_can_be_asked_both_ways(spelled: str) -> None:
    assert run(spelled).returncode == 0


def test_a_command_s_help_loads_no_plane() -> None:
    script = (
        "import sys; sys.argv = ['pilothouse', 'proxy', '--help']\n"
        "from pilothouse import __main__\n"
        "try: __main__.main()\n"
        "except SystemExit: pass\n"
        "planes = ('pilothouse_proxy', 'pilothouse_operator', 'uvloop')\n"
        "sys.exit(any(name.startswith(planes) for name in sys.modules))\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=30)
