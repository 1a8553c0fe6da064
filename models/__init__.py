"""The networks that the appliance runs, their manifest, and what rebuilds them (`models.build`)."""
