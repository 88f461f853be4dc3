"""Builds ``interfaces/`` (the simulated arm's action type) into the environment that runs this script.

The generators and libraries of the ROS 2 wheels are used; a C and C++ compiler and Python's headers have to
be on the machine. What colcon makes as six libraries becomes one extension module here, with links to it
under the names by which the middleware loads type supports. Nothing is done where neither the sources nor the
wheels have changed since. Exit status: 0 built, or up to date; 3 something is missing, which the text names.
In a sourced ROS 2 nothing of this is needed: ``colcon build --base-paths interfaces``.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

PACKAGE = "harness_interfaces"
SOURCE = Path(__file__).resolve().parent.parent / "interfaces"
ACTIONS = sorted(path.stem for path in (SOURCE / "action").glob("*.action"))
FASTRTPS = "rosidl_typesupport_fastrtps_c"
INTROSPECTION = "rosidl_typesupport_introspection_c"
"""Of this one Fast DDS makes the description of the type that other participants can ask for."""
NEEDED = (
    "action_msgs",
    "builtin_interfaces",
    "geometry_msgs",
    "service_msgs",
    "std_msgs",
    "trajectory_msgs",
    "unique_identifier_msgs",
)
"""Packages whose types the action uses, those of its hidden services and messages included."""
MODULE = f"{PACKAGE}_s__rosidl_typesupport_c{sysconfig.get_config_var('EXT_SUFFIX')}"
MISSING = 3


def missing() -> list[str]:
    """What the build needs and this machine has not, in words."""
    lacking = [f"a compiler ({tool})" for tool in ("gcc", "g++") if shutil.which(tool) is None]
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        lacking.append("Python's headers (Python.h)")
    modules = ("rclpy", "rosidl_adapter", "rosidl_generator_py", FASTRTPS, INTROSPECTION)
    lacking += [f"the ROS 2 wheels ({name})" for name in modules if importlib.util.find_spec(name) is None]
    return lacking


def fingerprint() -> str:
    """Of everything that the built module depends on."""
    digest = hashlib.sha256()
    for path in [*sorted((SOURCE / "action").glob("*.action")), Path(__file__)]:
        digest.update(path.name.encode() + path.read_bytes())
    versions = sorted(
        f"{found.metadata['Name']} {found.version}"
        for found in importlib.metadata.distributions()
        if (found.metadata["Name"] or "").startswith(("ros-", "numpy"))
    )
    digest.update("\n".join([sys.version, *versions]).encode())
    return digest.hexdigest()


def generate(into: Path, prefix: Path) -> Path:
    """Run the wheels' generators, each into its own folder below ``into``; returns the Python package."""
    from rosidl_adapter.action import convert_action_to_idl
    from rosidl_cli.command.helpers import generate_visibility_control_file
    from rosidl_generator_c import generate_c
    from rosidl_generator_py import generate_py
    from rosidl_generator_type_description import generate_type_hash
    from rosidl_typesupport_c import generate_c as generate_dispatch
    from rosidl_typesupport_fastrtps_c import generate_typesupport_fastrtps_c
    from rosidl_typesupport_introspection_c import generate_c as generate_introspection

    idl = into / "idl"
    idl.mkdir()
    for name in ACTIONS:
        convert_action_to_idl(SOURCE, PACKAGE, Path("action") / f"{name}.action", idl / "action")
    arguments: dict[str, Any] = {
        "package_name": PACKAGE,
        "output_dir": str(idl),
        "idl_tuples": [f"{idl}:action/{name}.idl" for name in ACTIONS],
        "include_paths": [f"{name}:{prefix}/share/{name}" for name in NEEDED],
        "ros_interface_files": [str(SOURCE / "action" / f"{name}.action") for name in ACTIONS],
        "target_dependencies": [],
    }
    file = into / "arguments.json"
    file.write_text(json.dumps(arguments))
    generate_type_hash(str(file))
    arguments["type_description_tuples"] = [f"action/{name}.idl:{idl}/action/{name}.json" for name in ACTIONS]

    def arguments_for(generator: str) -> str:
        # A folder each: two of them write files of the same name.
        output = into / generator / PACKAGE
        templates = prefix / "share" / generator / "resource"
        for template in templates.glob("*__visibility_control.h.in"):
            generate_visibility_control_file(
                package_name=PACKAGE, template_path=template, output_path=output / "msg" / template.stem
            )
        arguments.update(output_dir=str(output), template_dir=str(templates))
        file.write_text(json.dumps(arguments))
        return str(file)

    generate_c(arguments_for("rosidl_generator_c"))
    generate_typesupport_fastrtps_c(arguments_for(FASTRTPS))
    generate_introspection(arguments_for(INTROSPECTION))
    generate_dispatch(arguments_for("rosidl_typesupport_c"), [FASTRTPS, INTROSPECTION])
    generate_py(arguments_for("rosidl_generator_py"), ["rosidl_typesupport_c"])
    package = into / "rosidl_generator_py" / PACKAGE
    (package / "__init__.py").write_text("")
    return package


def compile_package(generated: Path, package: Path, prefix: Path) -> None:
    """Make the module that rclpy asks for, in ``package``, of all C and C++ sources below ``generated``."""
    import numpy as np

    folders = [folder.parent for folder in generated.glob(f"*/{PACKAGE}")]
    folders += [prefix / "include", *sorted((prefix / "include").iterdir())]
    folders += [Path(np.get_include()), Path(sysconfig.get_path("include"))]
    flags = ["-O1", "-fPIC", "-w", *(f"-I{folder}" for folder in folders)]
    objects = []
    for source in sorted([*generated.rglob("*.c"), *generated.rglob("*.cpp")]):
        compiler = ["gcc"] if source.suffix == ".c" else ["g++", "-std=c++17"]
        objects.append(str(source.with_suffix(source.suffix + ".o")))
        subprocess.run([*compiler, *flags, "-c", str(source), "-o", objects[-1]], check=True)
    libraries = ["rosidl_runtime_c", "rosidl_typesupport_c", FASTRTPS, "rosidl_typesupport_fastrtps_cpp"]
    libraries += [INTROSPECTION, "rmw", "rcutils", "fastcdr"]
    kinds = ("rosidl_generator_c", "rosidl_generator_py", "rosidl_typesupport_c", FASTRTPS, INTROSPECTION)
    libraries += [f"{name}__{kind}" for name in NEEDED for kind in kinds]
    paths = [path for name in libraries for path in sorted((prefix / "lib").glob(f"lib{name}.so*"))[:1]]
    module = package / MODULE
    link = ["g++", "-shared", f"-Wl,-rpath,{prefix}/lib", *objects, *map(str, paths), "-o", str(module)]
    subprocess.run(link, check=True)
    # Python's own symbols are open until it loads the module: only loading it shows that nothing is missing.
    load = f"import sys; sys.path.insert(0, {str(package.parent)!r}); import {PACKAGE}.action as made\n"
    load += f"for name in {ACTIONS}: getattr(made, name).__class__.__import_type_support__()"
    subprocess.run([sys.executable, "-c", load], check=True)


def install(package: Path, target: Path, stamp: str) -> None:
    """Put what Python needs of ``package`` where ``target`` is, in one step; the stamp goes with it."""
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    unwanted = shutil.ignore_patterns("*.c", "*.o")
    shutil.copytree(package, fresh, ignore=unwanted)
    for path in (SOURCE / "action").glob("*.action"):
        shutil.copy(path, fresh / "action")
    (fresh / "built.sha256").write_text(stamp + "\n")
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
    for kind in (FASTRTPS, INTROSPECTION):
        link = Path(sys.prefix) / "lib" / f"lib{PACKAGE}__{kind}.so"
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(target / MODULE, link.parent))


def main() -> int:
    """Build where it is needed; returns the exit status."""
    target = Path(sysconfig.get_path("platlib")) / PACKAGE
    stamp = fingerprint()
    built = target / "built.sha256"
    if built.is_file() and built.read_text().strip() == stamp:
        return 0
    if lacking := missing():
        print(f"{PACKAGE} is not built; missing: {', '.join(lacking)}", file=sys.stderr)
        print("  actions cannot be tried on the simulated arm until it is; all else works", file=sys.stderr)
        return MISSING
    prefix = Path(sys.prefix)
    with tempfile.TemporaryDirectory(prefix="harness-interfaces-") as folder:
        # The generators tell every file they read and write.
        with redirect_stdout(io.StringIO()):
            package = generate(Path(folder), prefix)
        compile_package(Path(folder), package, prefix)
        install(package, target, stamp)
    return 0


if __name__ == "__main__":
    sys.exit(main())
