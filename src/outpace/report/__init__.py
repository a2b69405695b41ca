"""Reports: what was measured, as documents for programs and for people."""
