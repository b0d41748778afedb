"""The Dagster side: assets, checks, resources, schedules and runs. Only this room and `definitions` import dagster."""
