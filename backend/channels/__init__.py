"""Sales channels: who may sell what from where, what is kept for whom, and what each may promise."""
