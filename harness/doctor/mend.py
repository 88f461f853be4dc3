"""Commands that depend on the system: how it installs a package, and how it takes a kernel parameter."""

from __future__ import annotations

import platform

from harness.doctor.roots import Roots, read

_INSTALL = {
    "debian": "sudo apt-get install -y {}",
    "fedora": "sudo dnf install -y {}",
    "rhel": "sudo dnf install -y {}",
    "suse": "sudo zypper install -y {}",
    "arch": "sudo pacman -S --noconfirm {}",
}
_PI_COMMAND_LINE = "boot/firmware/cmdline.txt"
_DEBIAN_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armmp"}


def system(roots: Roots) -> list[str]:
    """ID and ID_LIKE of /etc/os-release, lower case, the closest first."""
    fields = {}
    for line in (read(roots.root / "etc/os-release") or "").splitlines():
        key, _, value = line.partition("=")
        fields[key] = value.strip().strip("\"'").lower()
    return [*fields.get("ID", "").split(), *fields.get("ID_LIKE", "").split()]


def install(roots: Roots, package: str) -> str:
    """The command that installs a package; Debian's where the system is not known."""
    names = [name.partition("-")[0] for name in system(roots)]
    found = next((_INSTALL[name] for name in names if name in _INSTALL), _INSTALL["debian"])
    return found.format(package)


def kernel_parameter(roots: Roots, parameter: str) -> str:
    """The command that adds a kernel parameter for good, and boots with it."""
    names = system(roots)
    if (roots.root / _PI_COMMAND_LINE).is_file():
        return f"sudo sed -i '1s/$/ {parameter}/' /{_PI_COMMAND_LINE} && sudo reboot"
    if "fedora" in names or "rhel" in names:
        return f"sudo grubby --update-kernel=ALL --args='{parameter}' && sudo reboot"
    edit = f"sudo sed -i 's/^GRUB_CMDLINE_LINUX=\"/&{parameter} /' /etc/default/grub"
    return f"{edit} && sudo update-grub && sudo reboot"


def realtime_kernel(roots: Roots) -> str:
    """The command that installs a PREEMPT_RT kernel."""
    names = system(roots)
    if "ubuntu" in names:
        return "sudo pro attach; sudo pro enable realtime-kernel && sudo reboot"
    if "debian" in names:
        machine = _DEBIAN_NAMES.get(platform.machine(), "amd64")
        return f"sudo apt-get install -y linux-image-rt-{machine} && sudo reboot"
    if "rhel" in names:
        return "sudo dnf install -y kernel-rt && sudo reboot"
    if "arch" in names:
        return "sudo pacman -S --noconfirm linux-rt && sudo reboot"
    return "grep PREEMPT_RT /boot/config-$(uname -r)  # build with CONFIG_PREEMPT_RT=y, in Linux since 6.12"
