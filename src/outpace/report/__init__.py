"""What was measured, as documents for programs and for people: JSON, the story in sentences, tables, figures and pages.

It reads reports and writes them; nothing is measured or judged here, and no host is spoken to.
"""
