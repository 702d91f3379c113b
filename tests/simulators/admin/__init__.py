"""The admin API: JSON over HTTP, the same as `controls` in process. The README lists it."""
