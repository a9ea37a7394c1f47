//! Independent jobs on several threads, with results that don't depend on how many.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Computes `work(0), .., work(jobs - 1)` on `threads` threads, at least one; results are in order. Each job must depend
/// on its number alone, so that the results don't depend on the number of threads.
///
/// ```
/// use fg_core::parallel::in_order;
/// assert_eq!(in_order(4, 2, |k| k * k), [0, 1, 4, 9]);
/// ```
///
/// # Panics
/// When a job does, with its message.
pub fn in_order<T: Send>(jobs: usize, threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let part = || {
        let mut done = Vec::new();
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            if job >= jobs {
                return done;
            }
            done.push((job, work(job)));
        }
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads.min(jobs)).map(|_| scope.spawn(part)).collect();
        let mut done = part();
        for other in others {
            match other.join() {
                Ok(results) => done.extend(results),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(job, _)| *job);
    done.into_iter().map(|(_, result)| result).collect()
}
