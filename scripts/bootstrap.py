"""Make ``.venv`` from the lock file, on a machine that has Python and nothing else.

    python3 scripts/bootstrap.py runtime    what the hub needs to run          (make run, make demo)
    python3 scripts/bootstrap.py dev        the same, tests and checks too     (make setup, make test, make check)

Run again it does nothing as long as the locks are the same. With uv on the PATH it takes seconds; without it, venv
and pip do the same work from the same hashes. Standard library only, and no syntax that an old Python cannot read:
it has to live long enough to say that it is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

NEEDED = (3, 11)
#: What else may be on the PATH; first those for which every package in the lock was run.
OTHERS = ("python3.13", "python3.12", "python3.11", "python3.14")
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "wkmb-setup"
LOCKS = {"runtime": ("runtime.txt", "build.txt"), "dev": ("dev.txt",)}
WHEELS = Path("/usr/share/python-wheels")


def say(message):
    """One line for the person at the terminal."""
    print("setup: " + message, file=sys.stderr, flush=True)


def stop(message):
    """Say in one line what is wrong and what to do, and end."""
    say(message)
    raise SystemExit(1)


def use_new_enough_python():
    """Go on under the newest Python that there is, or end with one line."""
    if sys.version_info[:2] >= NEEDED:
        return
    for name in OTHERS:
        found = shutil.which(name)
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(found, [found, *sys.argv])
    stop(
        f"Python {dotted(NEEDED)} or newer is needed and {sys.executable} is {dotted(sys.version_info[:2])}; "
        "install one, or name it: make setup PYTHON=/path/to/python3.12"
    )


def dotted(version):
    """``(3, 11)`` as ``3.11``."""
    return ".".join(str(part) for part in version)


def fingerprint(group):
    """What an environment for ``group`` was made from."""
    digest = hashlib.sha256()
    for path in [*(ROOT / "requirements" / name for name in LOCKS[group]), Path(__file__)]:
        digest.update(path.read_bytes())
    # How the checks are set up, which is the rest of the file, changes nothing in the environment.
    digest.update((ROOT / "pyproject.toml").read_bytes().split(b"\n[tool.")[0])
    digest.update(str(ROOT).encode())
    return f"{group} {digest.hexdigest()}"


def installed():
    """The group and digest of the environment that is there, if it works."""
    try:
        stamp = STAMP.read_text().strip()
        subprocess.check_call(
            [str(PYTHON), "-c", "import importlib.metadata as m; m.version('wkmb-hub')"],
            stderr=subprocess.DEVNULL,
            cwd=str(VENV),
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return stamp


def make_environment(uv):
    """An empty environment in ``.venv``, unless a working one of a new enough Python is there."""
    check = f"import sys; sys.exit(sys.version_info[:2] < {NEEDED})"
    if PYTHON.exists() and subprocess.call([str(PYTHON), "-c", check], stderr=subprocess.DEVNULL) == 0:
        return
    shutil.rmtree(str(VENV), ignore_errors=True)
    if uv:
        command = [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(VENV)]
    elif subprocess.call([sys.executable, "-c", "import ensurepip"], stderr=subprocess.DEVNULL) == 0:
        command = [sys.executable, "-m", "venv", str(VENV)]
    else:
        # Debian without python3-venv: venv with pip would fail and leave half a folder.
        command = [sys.executable, "-m", "venv", "--without-pip", str(VENV)]
    run(command, "the environment was not made; see the message above")


def installer(uv):
    """The command that installs into ``.venv``: uv, its own pip, the system's pip, or pip's wheel from Debian."""
    if uv:
        return [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON)]
    own = [str(PYTHON), "-m", "pip"]
    # `--python` came with pip 22.3.
    system = [sys.executable, "-m", "pip", "--python", str(PYTHON)]
    wheels = [[str(PYTHON), str(wheel / "pip")] for wheel in sorted(WHEELS.glob("pip-*.whl"))]
    for pip in [own, system, *wheels]:
        if subprocess.call([*pip, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            return [*pip, "install", "-qq", "--no-input", "--disable-pip-version-check"]
    shutil.rmtree(str(VENV), ignore_errors=True)
    return stop(
        "this Python has no venv with pip: apt-get install python3-venv, or put uv on the PATH; then run it again"
    )


def run(command, failure):
    """Run a command that may talk to the terminal; where it fails, its own words stand above our line."""
    # Compiled once here, each later start of the hub is a second faster.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if subprocess.call(command, cwd=str(ROOT), env=environment) != 0:
        stop(failure)


def install(group, uv):
    """Everything in the locks of ``group`` with its hash, then this work tree itself."""
    command = installer(uv)
    locks = []
    for name in LOCKS[group]:
        locks += ["-r", str(ROOT / "requirements" / name)]
    run(
        [*command, "--require-hashes", "--only-binary", ":all:", *locks],
        "a package could not be downloaded or installed (the message above says which); "
        "check the connection to the package index, then run the same command again",
    )
    run(
        [*command, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)],
        "the hub itself could not be installed; see the message above",
    )


def main():
    """Bring ``.venv`` to the state of the locks."""
    use_new_enough_python()
    group = sys.argv[1] if len(sys.argv) > 1 else "dev"
    present = installed()
    # An environment for development also runs the hub: going back and forth would install again each time.
    if present not in (fingerprint("dev"), fingerprint(group)):
        if present.startswith("dev "):
            group = "dev"
        uv = shutil.which("uv")
        how = ("uv", "seconds") if uv else ("venv and pip", "a minute or two")
        say("making .venv with {}, from {}: {}".format(how[0], " and ".join(LOCKS[group]), how[1]))
        STAMP.unlink() if STAMP.exists() else None
        make_environment(uv)
        install(group, uv)
        STAMP.write_text(fingerprint(group) + "\n")
        say("done: .venv/bin/wkmb is the command")
    run([str(PYTHON), str(ROOT / "scripts" / "build_backend.py")], "a translation could not be compiled")


if __name__ == "__main__":
    main()
