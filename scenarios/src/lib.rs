//! The scenario files.
