"""What attempts and enrolments come to, as JSON and as sentences; for commands and the service."""
