"""The shared language of the edge and the backend: events, batches, acknowledgements, topics, and one MQTT link."""
