//! Bytes, keys and time in; verified claims out
