//! Collectors that others wrote.
