"""The guided hardware acceptance: its plan, its verdicts and its signed report, all pure."""
