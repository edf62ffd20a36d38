//! How the process gives memory back, which is here since it takes a call that Rust cannot check.

/// From so many bytes on a buffer is a mapping of its own.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES: i32 = 64 << 10;

/// Has buffers of 64 KiB and more given back to the system as soon as nobody needs them. To be called before there are
/// other threads.
///
/// The allocator of glibc learns from the first large buffer that is freed to keep all that are smaller, and gives back only
/// what has nothing in use behind it. A server that was busy for a moment would keep for ever what that took. Elsewhere
/// than under glibc nothing is done.
pub fn give_back_buffers() {
    #[cfg(target_env = "gnu")]
    {
        use std::ffi::c_int;

        unsafe extern "C" {
            // mallopt(3).
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        const M_MMAP_THRESHOLD: c_int = -3;
        // SAFETY: glibc has this function with this signature, and takes any value of this parameter. It sets a number
        // of the allocator, under the allocator's own lock.
        let _is_set = unsafe { mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES) };
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests;
