"""The main job on bundled pictures: enrol, verify, and a simulated lock that shows what it did."""
