"""A result as text, pages, figures and files. It decides nothing."""
