"""What authors of adapters and users of pytest need: conformance checks, fakes, the pytest plug-in."""
