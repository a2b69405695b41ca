"""What every room stands on: hosts as users name them, records, documents on disk and errors.

It knows nothing of measuring, and imports from no other room.
"""
