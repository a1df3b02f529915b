//! What a predecessor left behind.
