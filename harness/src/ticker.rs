//! The clock by which guests are interrupted: a thread that advances the engine's epoch.
//!
//! A running guest compares the epoch at every loop and function entry, and asks the host whether
//! its time is up when the epoch has moved (see [`crate::call`]). So the tick only bounds how late
//! a deadline is noticed. While no call is running the thread sleeps; it does so only after a
//! quiet while, because waking it costs a call some microseconds.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::Engine;

/// How late a deadline may be noticed.
const TICK: Duration = Duration::from_millis(5);
/// How many ticks without a call pass before the thread sleeps.
const QUIET_TICKS: u32 = 40;

/// Advances the epoch until it is dropped.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    stopped: Mutex<bool>,
    wake: Condvar,
}

/// A call that is being watched while this lives.
pub(crate) struct Watch<'a> {
    shared: &'a Shared,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stopped: Mutex::new(false),
            wake: Condvar::new(),
        });
        let (engine, thread_shared) = (engine.clone(), shared.clone());
        std::thread::Builder::new().name("epoch-ticker".into()).spawn(move || thread_shared.run(&engine))?;
        Ok(Self { shared })
    }

    /// Keeps the epoch moving while the returned value lives.
    pub(crate) fn watch(&self) -> Watch<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            // The lock orders this with the thread's last look at `running` before it sleeps.
            drop(self.shared.stopped.lock());
            self.shared.wake.notify_all();
        }
        Watch { shared: &self.shared }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        *self.shared.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.shared.wake.notify_all();
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    fn run(&self, engine: &Engine) {
        let mut stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let mut quiet = 0;
        while !*stopped {
            if quiet < QUIET_TICKS {
                stopped = self.wake.wait_timeout(stopped, TICK).unwrap_or_else(PoisonError::into_inner).0;
                engine.increment_epoch();
                quiet = if self.running.load(Ordering::SeqCst) == 0 { quiet + 1 } else { 0 };
                continue;
            }
            self.asleep.store(true, Ordering::SeqCst);
            if self.running.load(Ordering::SeqCst) == 0 {
                stopped = self.wake.wait(stopped).unwrap_or_else(PoisonError::into_inner);
            }
            self.asleep.store(false, Ordering::SeqCst);
            quiet = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use wasmtime::{Config, Instance, Module, Store, Trap};

    use super::*;

    #[test]
    fn a_call_wakes_the_clock_from_its_sleep() {
        let engine = Engine::new(Config::new().epoch_interruption(true)).unwrap();
        let ticker = Ticker::start(&engine).unwrap();
        let endless = Module::new(&engine, "(module (func (export \"f\") (loop (br 0))))").unwrap();
        for _ in 0..3 {
            let patience = Instant::now() + Duration::from_secs(60);
            while !ticker.shared.asleep.load(Ordering::SeqCst) {
                assert!(Instant::now() < patience, "the ticker never sleeps");
                std::thread::yield_now();
            }
            let _watch = ticker.watch();
            let mut store = Store::new(&engine, ());
            store.set_epoch_deadline(1);
            let instance = Instance::new(&mut store, &endless, &[]).unwrap();
            let function = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
            let error = function.call(&mut store, ()).unwrap_err();
            assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
        }
    }
}
