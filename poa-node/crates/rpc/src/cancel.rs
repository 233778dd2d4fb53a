//! Work ends with its request: when nobody waits for the answer any more, because of the time limit or because the client
//! hung up, the calls it makes are given up.

use std::cell::RefCell;

use aurum_chain::Cancel;

thread_local! {
    /// Of the request whose handler runs on this thread.
    static CURRENT: RefCell<Option<Cancel>> = const { RefCell::new(None) };
}

/// Cancels when it is dropped: lives in the future that waits for the answer.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Cancel);

impl Waiting {
    /// The flag that ends the work.
    pub(crate) fn flag(&self) -> Cancel {
        self.0.clone()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Runs a handler whose calls `cancel` ends.
pub(crate) fn during<T>(cancel: Cancel, work: impl FnOnce() -> T) -> T {
    /// The thread serves others after this, also after a panic.
    struct Clear;
    impl Drop for Clear {
        fn drop(&mut self) {
            CURRENT.set(None);
        }
    }
    CURRENT.set(Some(cancel));
    let _clear = Clear;
    work()
}

/// What ends the calls of the handler that runs on this thread.
pub(crate) fn current() -> Option<Cancel> {
    CURRENT.with_borrow(Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::{Waiting, current, during};

    #[test]
    fn a_handler_sees_the_flag_of_its_own_request_alone() {
        let waiting = Waiting::default();
        let flag = waiting.flag();
        let seen = during(waiting.flag(), current);
        assert_eq!(seen, Some(flag.clone()));
        assert!(current().is_none() && !flag.is_cancelled());
        let panicked = std::panic::catch_unwind(|| during(flag.clone(), || panic!("a handler's bug")));
        assert!(panicked.is_err() && current().is_none());
        drop(waiting);
        assert!(flag.is_cancelled());
    }
}
