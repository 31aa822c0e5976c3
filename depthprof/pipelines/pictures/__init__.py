"""Pictures from disk as the published code reads them, or a sentence why not."""
