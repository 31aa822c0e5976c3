"""Pure functions over numbers. They know no stage, no unit and no verdict."""
