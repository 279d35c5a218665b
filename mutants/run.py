#!/usr/bin/env python3
"""Changes the pure part of the function line by line, and looks whether a test fails each time.

    .venv/bin/python mutants/run.py [FILE…]        such as src/domain/reconcile.rs; without any, all of FILES

The domain names nothing but itself, so a package of it alone is laid out in target/mutants: a mutant compiles there in seconds, where
the whole crate would take minutes. What is left is listed in docs/mutants.md, with the reason. Ends with 1 where something else is.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
PACKAGE = ROOT / "target" / "mutants"
PAGE = ROOT / "docs" / "mutants.md"

# What decides about objects, and about whom to believe. The others read and write texts.
FILES = [
    "src/domain/reconcile.rs",
    "src/domain/rounds.rs",
    "src/domain/object.rs",
    "src/domain/audit.rs",
    "src/domain/difference.rs",
    "src/domain/scheme.rs",
    "src/domain/template.rs",
    "src/domain/signature.rs",
    "src/domain/spelling.rs",
    "src/domain/sns.rs",
    "src/domain/sns/place.rs",
    "src/domain/sns/unsubscribe.rs",
    "src/domain/echo.rs",
    "src/domain/redact.rs",
]
# What the walk through every interleaving tests, which takes its time.
WALKED = {"src/domain/rounds.rs"}
# Of the crate's own manifest, whatever versions it has.
DEPENDENCIES = {
    "base64", "bytes", "crc-fast", "hmac", "http", "icu_properties", "ipnet", "md-5", "memchr", "percent-encoding", "serde", "serde_json",
    "sha2", "subtle", "thiserror", "time", "tracing", "url", "uuid", "wildmatch",
}  # fmt: skip
DEV_DEPENDENCIES = {"proptest", "stateright"}


def table(dependencies, wanted):
    def value(of):
        if isinstance(of, str):
            return f'"{of}"'
        fields = {key: field for key, field in of.items() if key != "optional"}
        text = ", ".join(f"{key} = {str(field).lower() if isinstance(field, bool) else field if isinstance(field, list) else repr(field)}" for key, field in fields.items())
        return f"{{ {text} }}".replace("'", '"')

    return "\n".join(f"{name} = {value(of)}" for name, of in sorted(dependencies.items()) if name in wanted)


def lay_out():
    """The package, so that only what has changed is newer than what was built of it."""
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    text = f"""[package]
name = "domain-alone"
version = "0.0.0"
edition = "{manifest["package"]["edition"]}"
publish = false

[workspace]

[lib]
doctest = false

[features]
dev = []
# The walk through every interleaving, for what only that finds out.
proof = []

[dependencies]
{table(manifest["dependencies"], DEPENDENCIES)}

[dev-dependencies]
{table(manifest["dev-dependencies"], DEV_DEPENDENCIES)}

[profile.dev]
debug = false
opt-level = 0
[profile.dev.package."*"]
opt-level = 2
"""
    files = {"Cargo.toml": text.encode(), "Cargo.lock": (ROOT / "Cargo.lock").read_bytes()}
    files["src/lib.rs"] = b"pub mod domain;\n#[cfg(all(test, feature = \"proof\"))]\nmod proof;\n"
    for folder in ("src/domain", "src/proof", "tests/vectors", "tests/data"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file():
                files[str(path.relative_to(ROOT))] = path.read_bytes()
    for name, content in files.items():
        target = PACKAGE / name
        if name == "Cargo.lock" and target.exists():
            continue
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    for path in (PACKAGE / "src").rglob("*.rs"):
        if str(path.relative_to(PACKAGE)) not in files:
            path.unlink()


def accepted():
    """Mutants that the page lists as left, without their lines: those change with every edit above them."""
    rows = re.findall(r"^\| `(src/[^`]+)` \| `([^`]+)` \|", PAGE.read_text(), re.M) if PAGE.exists() else []
    return set(rows)


def found(name):
    path = PACKAGE / "mutants.out" / f"{name}.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    split = [re.match(r"(src/[^:]+):\d+:\d+: (.*)", line) for line in lines]
    return [match.groups() for match in split if match]


def mutate(files, features):
    """The numbers of these files' mutants, and those that are left."""
    shutil.rmtree(PACKAGE / "mutants.out", ignore_errors=True)
    # In place, so that what is built stays built: the package is a copy.
    command = ["cargo", "mutants", "--in-place", "--timeout", "120", "--minimum-test-timeout", "60", "--colors", "never", "--no-times"]
    for file in files:
        command += ["--file", file]
    # A test that fails writes its case beside the source.
    environment = {**os.environ, "PROPTEST_FAILURE_PERSISTENCE": "off", "CARGO_TARGET_DIR": str(PACKAGE / "target")}
    ran = subprocess.run(["nice", "-n", "19", *command, *features], cwd=PACKAGE, env=environment)
    # 2 and 3: something is left, or took too long. All else is a failure of its own.
    if ran.returncode not in (0, 2, 3):
        sys.exit(ran.returncode)
    return {name: found(name) for name in ("caught", "unviable", "timeout", "missed")}


def main(files):
    lay_out()
    files = files or FILES
    walked = [file for file in files if file in WALKED]
    rest = [file for file in files if file not in WALKED]
    runs = [mutate(of, features) for of, features in ((rest, []), (walked, ["--features", "proof"])) if of]
    counts = {name: sum((run[name] for run in runs), []) for name in runs[0]}
    print(", ".join(f"{len(rows)} {name}" for name, rows in counts.items()))
    left = [row for row in counts["missed"] if row not in accepted()]
    for file, what in left:
        print(f"left, and not in {PAGE.relative_to(ROOT)}: {file}: {what}")
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
