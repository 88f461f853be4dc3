"""Rig files -> the validated model; the only reader of configuration."""

from harness.config.editors import rig_schema
from harness.config.find import find_rig, list_rigs, search_path
from harness.config.loader import LoadedRig, load_rig, rig_from_resolved, rig_from_text
from harness.config.problems import Position, Problem, RigFileError
from harness.config.schema import RigFile
from harness.config.values import check_limits, cycles, expand_variants

__all__ = [
    "LoadedRig",
    "Position",
    "Problem",
    "RigFile",
    "RigFileError",
    "check_limits",
    "cycles",
    "expand_variants",
    "find_rig",
    "list_rigs",
    "load_rig",
    "rig_from_resolved",
    "rig_from_text",
    "rig_schema",
    "search_path",
]
