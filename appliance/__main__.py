"""`python -m appliance` and the `appliance` command."""

from appliance.cli.main import main

if __name__ == "__main__":
    main()
