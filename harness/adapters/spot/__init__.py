"""The adapter for Boston Dynamics Spot, through the vendor's own SDK (extra ``spot``)."""
