"""Runs clang-tidy over the project's sources, and remembers what was clean.

A file is looked at again when it, a header of the project that it includes, .clang-tidy or the tool changes; headers
that are generated do not count, or a new field of a message would be a reason to look at everything. The memory is
shared by all checkouts of a machine, as ccache's is.   usage: tidy.py BUILD_FOLDER
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = ROOT / ".deps" / "clang_tidy" / "data" / "bin" / "clang-tidy"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "paci-tidy"


def dependencies(build: str) -> dict[str, list[pathlib.Path]]:
    """Source file -> the project's files that its compilation read, from ninja's own record."""
    text = subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    result = {}
    for block in text.split("\n\n"):
        files = [pathlib.Path(build, line.strip()).resolve() for line in block.splitlines()[1:] if line.startswith(" ")]
        ours = [f for f in files if f.is_relative_to(ROOT) and f.suffix in (".h", ".cc")
                and not {".deps", "generated"} & set(f.relative_to(ROOT).parts)]
        for source in files[:1]:
            result[str(source)] = sorted(ours)
    return result


def key(files: list[pathlib.Path]) -> str:
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    digest.update((ROOT / "scripts" / "tools.txt").read_bytes())
    for file in files:
        digest.update(str(file.relative_to(ROOT)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def own_precompiled(build: str, commands: list[dict]) -> dict[str, list[str]]:
    """Precompiled headers that are read as a module instead -> the words of their own compilation: what is half of the
    time that their readers take. The others' readers are read with what they include by themselves, so that a missing
    include is found."""
    result = {}
    for command in commands:
        header = command["file"].removesuffix(".cxx")
        if header.endswith("cmake_pch.hxx") and "paci_common_headers" not in header:
            result[header] = shlex.split(command["command"])
            where = module_map(build, header)
            where.write_text(f'module {where.stem} [system] {{ header "{header}" export * }}\n')
    return result


def module_map(build: str, header: str) -> pathlib.Path:
    return pathlib.Path(build, "tidy", pathlib.Path(header).parent.name).resolve().with_suffix(".modulemap")


def module_words(build: str, header: str, own: list[str], words: list[str]) -> list[str]:
    """What makes clang read HEADER, a list of includes, once and keep it as a module in the build folder. The definitions
    that only its reader has are not the module's, or each set of them would have one of its own."""
    where = module_map(build, header)
    others = {word[2:].split("=")[0] for word in words if word.startswith("-D") and word not in own}
    return ["-fmodules", "-fcxx-modules", f"-fmodule-map-file={where}",
            f"-fmodules-cache-path={where.parent / 'modules'}", *[f"-fmodules-ignore-macro={other}" for other in sorted(others)],
            "-include", header]


def write_commands(build: str, commands: list[dict]) -> str:
    """Those of the compiler without what is for it alone: precompiled headers, and that warnings are errors. The folder."""
    folder = pathlib.Path(build, "tidy")
    folder.mkdir(exist_ok=True)
    modules = own_precompiled(build, commands)
    for command in commands:
        words = [word for word in shlex.split(command["command"])
                 if word not in ("-Winvalid-pch", "-fpch-preprocess", "-Werror")]
        precompiled = [i for i, word in enumerate(words) if word == "-include" and words[i + 1].endswith("cmake_pch.hxx")]
        for i in precompiled:
            header = words[i + 1]
            del words[i:i + 2]
            if header in modules and not command["file"].endswith(".cxx"):
                words[1:1] = module_words(build, header, modules[header], words)
        command["command"] = shlex.join(words)
    (folder / "compile_commands.json").write_text(json.dumps(commands))
    return str(folder)


def check(commands: str, source: str) -> str:
    # The analyzer follows paths through the code, and what is wrong on a path of a test fails it. In its shallow mode it
    # follows small functions only into what they call: a tenth of the time in place of half of it.
    shallow = [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "mode=shallow")]
    checks = ["--checks=-clang-analyzer-*"] if "/tests/" in source else shallow
    done = subprocess.run([TIDY, "--quiet", *checks, "-p", commands, source], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr[-2000:]


def main(build: str) -> int:
    commands = json.loads(pathlib.Path(build, "compile_commands.json").read_text())
    sources = [c["file"] for c in commands if pathlib.Path(c["file"]).is_relative_to(ROOT)
               and not pathlib.Path(c["file"]).is_relative_to(pathlib.Path(build).resolve())]
    seen = dependencies(build)
    plain = write_commands(build, commands)
    CACHE.mkdir(parents=True, exist_ok=True)
    stamps = {s: CACHE / key(seen.get(s) or [pathlib.Path(s)]) for s in sources}
    todo = [s for s in sources if not stamps[s].exists()]
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, problems in zip(todo, pool.map(lambda s: check(plain, s), todo)):
            if problems:
                bad += 1
                print(problems)
            else:
                stamps[source].touch()
    print(f"clang-tidy: {len(sources)} files, {len(todo)} looked at, {bad} with findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
