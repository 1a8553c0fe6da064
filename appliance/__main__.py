"""`python -m appliance` and the `appliance` command."""

import os


def main() -> None:
    """Run the command line."""
    # Whatever else is installed may offer pydantic a plugin: nothing foreign is loaded into what
    # opens a door, and looking for some would take as long as loading pydantic itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from appliance.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
