//! Memory that was needed for a moment.

/// Gives what was freed back to the system: a large file takes many times its size while it is read.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim may be called at any time from any thread; it takes no pointers and moves nothing.
    unsafe {
        libc::malloc_trim(0);
    }
}
