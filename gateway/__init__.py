"""Reads to movements to MQTT, on a small box at the door, alone for days if it must."""
