"""Speech: a Judged to text, pages, figures and files. Floor 4, judging; it only reads."""
