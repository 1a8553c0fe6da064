"""Presentation attack detection (ISO/IEC 30107-3): is a living person in front of the camera?"""
