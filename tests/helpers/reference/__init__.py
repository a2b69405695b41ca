"""What the reference engine is made of: see ``reference_engine``."""
