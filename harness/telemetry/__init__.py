"""Every operation of the wider system held to a budget: what is measured, collected and shown."""
