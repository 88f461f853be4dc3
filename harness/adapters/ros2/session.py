"""One rclpy context and node of the harness's own: quiet, without signal handlers, in the run's domain."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
from pathlib import Path
from typing import Any

from harness.adapters.ros2 import discovery, domain, network, security, vendor
from harness.adapters.ros2.ear import Ear, Heard
from harness.adapters.ros2.options import Options
from harness.errors import UnavailableError
from harness.ports import Role

_DISTROS = ("jazzy", "kilted", "lyrical", "rolling", "iron", "humble")
_VENDORS = {
    "rmw_fastrtps_cpp": "fastrtps",
    "rmw_fastrtps_dynamic_cpp": "fastrtps",
    "rmw_cyclonedds_cpp": "cyclonedds",
}


class Session:
    """Opened by making one; :meth:`close` is repeatable.

    Raises UnavailableError when rclpy or its middleware is missing or refuses.
    """

    def __init__(self, options: Options, run_id: str, role: Role) -> None:
        rclpy = vendor.load()
        context_class = vendor.load("rclpy.context").Context
        parameter = vendor.load("rclpy.parameter").Parameter
        self.domain_id = domain.domain_id(options, run_id)
        self.environment = domain.own_environment(options, run_id)
        self.discovery_server = discovery.server(options.discovery_server)
        if self.discovery_server is not None:
            discovery.require_resolvable(self.discovery_server)
        self.discovery = self.environment.get(domain.RANGE_VARIABLE) or os.environ.get(
            domain.RANGE_VARIABLE, "SUBNET"
        )
        self.context: Any = context_class()
        self.node: Any = None
        self._ear = None if role is Role.GUARDIAN else Ear([self.domain_id])
        try:
            with domain.applied(self.environment):
                # Context.init installs no signal handler (rclpy.init would): Ctrl-C stays the harness's. No
                # arguments: those of the command line are not for ROS. No logging: nothing is written into
                # ~/.ros.
                self.context.init(args=[], initialize_logging=False, domain_id=self.domain_id)
                self.node = rclpy.create_node(
                    domain.node_name(run_id, role),
                    context=self.context,
                    namespace=options.namespace or "/",
                    use_global_arguments=False,
                    enable_rosout=False,
                    start_parameter_services=False,
                    parameter_overrides=[
                        parameter("start_type_description_service", parameter.Type.BOOL, False),
                    ],
                )
        except Exception as error:
            self.close()
            if refused := security.refusal(error):
                why, hint = refused
                raise UnavailableError(
                    f"ROS 2 does not start in domain {self.domain_id}: {why}", hint=hint
                ) from None  # whose text names the keystore
            raise UnavailableError(
                f"ROS 2 does not start in domain {self.domain_id}: {type(error).__name__}: {error}",
                hint="does RMW_IMPLEMENTATION name an installed middleware, and is a network interface up?",
            ) from error

    def heard(self) -> frozenset[Heard]:
        """Whose announcements were heard in this domain so far, and where."""
        return frozenset() if self._ear is None else self._ear.heard()

    def close(self) -> None:
        """Destroy node and context."""
        listening, self._ear = self._ear, None
        if listening is not None:
            listening.close()
        node, self.node = self.node, None
        if node is not None:
            with contextlib.suppress(Exception):
                node.destroy_node()
        with contextlib.suppress(Exception):
            self.context.try_shutdown()

    def software(self) -> dict[str, str]:
        """Distribution, middleware, versions, domain, discovery and transport."""
        utilities = vendor.load("rclpy.utilities")
        middleware = str(utilities.get_rmw_implementation_identifier())
        found = {
            "ros_distro": os.environ.get("ROS_DISTRO") or _distro(),
            "rclpy": _version("rclpy"),
            "rmw": f"{middleware} {_version(middleware)}".strip(),
            "dds": f"{_VENDORS.get(middleware, '')} {_version(_VENDORS.get(middleware, ''))}".strip(),
            "transport": _transport(middleware),
            "domain_id": str(self.domain_id),
            "discovery": self.discovery
            if self.discovery_server is None
            else f"through the discovery server {self.discovery_server}; domains do not separate its clients",
            "security": security.words(),
            "interfaces": network.reach(self.discovery)
            if self.discovery_server is None
            else network.towards([host for host, _ in discovery.addresses(self.discovery_server)]),
        }
        return {name: value for name, value in found.items() if value}


def _version(package: str) -> str:
    """Version of a ROS package: of its wheel, or of package.xml in a sourced ROS 2."""
    for name in (f"ros-{package.replace('_', '-')}", package):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
            return importlib.metadata.version(name)
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        manifest = Path(prefix) / "share" / package / "package.xml"
        with contextlib.suppress(OSError):
            return manifest.read_text("utf-8").partition("<version>")[2].partition("</version>")[0].strip()
    return ""


def _distro() -> str:
    for distro in _DISTROS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            importlib.metadata.version(f"ros-{distro}-rclpy")
            return f"{distro} (wheels)"
    return ""


def _transport(middleware: str) -> str:
    if not middleware.startswith("rmw_fastrtps"):
        return f"{middleware}'s default"
    profile = os.environ.get("FASTDDS_DEFAULT_PROFILES_FILE") or os.environ.get(
        "FASTRTPS_DEFAULT_PROFILES_FILE"
    )
    if profile:
        return f"as the Fast DDS profiles file {Path(profile).name} says"
    return os.environ.get("FASTDDS_BUILTIN_TRANSPORTS") or "shared memory on this host, UDP beyond"
