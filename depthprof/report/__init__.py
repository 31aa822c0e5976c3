"""A judged run as text, pages, figures and files. It decides nothing."""
