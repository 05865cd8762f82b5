"""The strategy language: text → typed tree → interpreter or compiled step."""
