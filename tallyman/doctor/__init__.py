"""`tallyman doctor`: what a gateway or backend needs, checked one by one, each with its mend."""
