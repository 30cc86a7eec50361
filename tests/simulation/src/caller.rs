//! Tasks of a controller, as they call and wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use credential_plan::Key;
use tencent_cloud::action::Action;
use tencent_cloud::error::{CloudError, Failure};

use crate::call::{Call, Reply};
use crate::in_flight::InFlight;
use crate::world::Shared;

/// Who calls, and by which of its tasks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The world.
    pub world: Shared,
    /// The process.
    pub process: u32,
    /// The task.
    pub task: u32,
}

impl Caller {
    /// Makes a call; it is answered when the history says so.
    pub fn call(&self, call: Call) -> Answer {
        let mut world = self.world.borrow_mut();
        world.issued += 1;
        let id = world.issued;
        let until = world.now + call.service().answers_within();
        let (process, task) = (self.process, self.task);
        world.calls.push(InFlight { id, process, task, call, until, is_abandoned: false });
        Answer { world: self.world.clone(), id, is_over: false }
    }

    /// Waits.
    pub fn sleep(&self, milliseconds: u64) -> Sleep {
        let mut world = self.world.borrow_mut();
        let until = world.now.saturating_add(milliseconds);
        world.timers.push((until, self.process, self.task));
        Sleep { caller: self.clone(), until }
    }

    /// An error of the cloud's client.
    pub fn cloud_error(action: Action, key: &Key, failure: Failure) -> CloudError {
        CloudError {
            action,
            instance: key.instance_id.clone(),
            region: key.region.clone(),
            endpoint: String::new(),
            identity: None,
            failure,
        }
    }
}

/// An answer that is waited for.
#[derive(Debug)]
pub struct Answer {
    world: Shared,
    id: u32,
    is_over: bool,
}

impl Future for Answer {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Reply> {
        let id = self.id;
        let mut world = self.world.borrow_mut();
        let Some(index) = world.answers.iter().position(|(it, _)| *it == id) else { return Poll::Pending };
        let (_, reply) = world.answers.swap_remove(index);
        drop(world);
        self.is_over = true;
        Poll::Ready(reply)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let id = self.id;
        // With the world itself, all of it goes.
        let Ok(mut world) = self.world.try_borrow_mut() else { return };
        world.answers.retain(|(it, _)| *it != id);
        let now = world.now;
        world.calls.iter_mut().filter(|call| call.id == id).for_each(|call| call.abandon(now));
        world.cloud.tokens.iter_mut().filter(|token| token.call == id).for_each(|it| it.abandoned = true);
    }
}

/// A time that is waited for.
#[derive(Debug)]
pub struct Sleep {
    caller: Caller,
    until: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.caller.world.borrow().now >= self.until {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let this = (self.until, self.caller.process, self.caller.task);
        let Ok(mut world) = self.caller.world.try_borrow_mut() else { return };
        if let Some(index) = world.timers.iter().position(|it| *it == this) {
            world.timers.swap_remove(index);
        }
    }
}
