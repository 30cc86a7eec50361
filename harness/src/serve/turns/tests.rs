use super::*;

const LANE: Lane = lane(0, 0);

const fn lane(policy: usize, namespace: u64) -> Lane {
    Lane { policy, namespace }
}

fn workers(workers: usize) -> Turns {
    Turns::new(Workers::new(workers, 10))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

impl Turns {
    async fn of(&self, lane: Lane) -> Turn {
        self.wait(lane, 1, soon()).await.expect("a turn")
    }

    async fn now(&self, lane: Lane) -> Option<Turn> {
        self.wait(lane, 1, Instant::now()).await.ok()
    }

    fn waiting(&self, lane: Lane) -> tokio::task::JoinHandle<Option<NoTurn>> {
        let turns = self.clone();
        tokio::spawn(async move { turns.wait(lane, 1, soon()).await.err() })
    }

    async fn until_waiting(&self, count: usize) {
        while self.state().queue.len() != count {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_turn_given_up_is_the_next_ones() {
    let turns = workers(1);
    let first = turns.of(LANE).await;
    assert_eq!(turns.wait(LANE, 1, Instant::now()).await.err(), Some(NoTurn::Late));
    let next = turns.waiting(LANE);
    turns.until_waiting(1).await;
    drop(first);
    assert_eq!(next.await.unwrap(), None);
    assert_eq!(turns.state().under_way.all, 0);
    assert!(turns.state().under_way.of_lane.is_empty() && turns.state().under_way.of_policy.is_empty());
}

#[tokio::test]
async fn the_turn_of_a_caller_that_has_gone_is_not_lost() {
    let turns = workers(1);
    let first = turns.of(LANE).await;
    let gone = turns.waiting(LANE);
    turns.until_waiting(1).await;
    // It gives up between the turn's coming and its being told.
    drop(first);
    gone.abort();
    let _ = gone.await;
    assert!(turns.now(LANE).await.is_some());
    turns.until_waiting(0).await;
}

#[tokio::test]
async fn a_full_queue_is_told_at_once() {
    let turns = workers(1);
    let _first = turns.of(LANE).await;
    let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| turns.waiting(LANE)).collect();
    turns.until_waiting(MOST_WAITING).await;
    assert_eq!(turns.wait(LANE, 1, soon()).await.err(), Some(NoTurn::Full));
    // Another lane takes the place of the last of the long one.
    let other = turns.waiting(lane(0, 1));
    assert_eq!(waiting.pop().unwrap().await.unwrap(), Some(NoTurn::Full));
    assert!(!other.is_finished() && waiting.iter().all(|task| !task.is_finished()));
}

#[tokio::test]
async fn a_review_past_its_slice_keeps_only_its_own_policy_and_namespace_from_workers() {
    let turns = workers(1);
    let slow = turns.of(LANE).await;
    let other = lane(1, 0);
    assert!(turns.now(other).await.is_none());
    let next = turns.waiting(other);
    turns.until_waiting(1).await;
    drop(slow.slice());
    assert_eq!(next.await.unwrap(), None);
    assert!(turns.now(other).await.is_some());
    assert!(turns.now(LANE).await.is_none(), "of its namespace there is one at a time");
    let of_same_policy = turns.now(lane(0, 1)).await.unwrap();
    drop(of_same_policy.slice());
    assert!(turns.now(lane(0, 2)).await.is_none(), "of its policy there are two");
    // A slice that ends twice, or after its review, frees nothing more.
    let slice = slow.slice();
    drop(slow.slice());
    drop(slow);
    drop(slice);
    assert!(turns.now(lane(0, 2)).await.is_some());
    drop(of_same_policy);
    assert_eq!(turns.state().under_way.all, 0);
    let first = turns.of(other).await;
    assert!(turns.now(LANE).await.is_none());
    drop(first);
}

#[tokio::test]
async fn policies_that_never_answer_leave_every_other_one_its_worker() {
    let turns = workers(2);
    let mut stuck = Vec::new();
    for policy in 0..9 {
        for namespace in 0..3 {
            let turn = turns.of(lane(policy, namespace)).await;
            drop(turn.slice());
            stuck.push(turn);
        }
        assert!(turns.now(lane(policy, 9)).await.is_none());
    }
    assert!(turns.now(lane(9, 0)).await.is_some());
}

#[tokio::test]
async fn a_slice_ends_when_its_review_is_waited_for_and_when_it_is_no_longer() {
    let turns = workers(1);
    let slow = turns.of(LANE).await;
    let (answer, answered) = oneshot::channel::<()>();
    let waits = tokio::spawn(slow.slice().or_longer(answered));
    // After the slice.
    let _quick = turns.of(lane(1, 0)).await;
    answer.send(()).unwrap();
    waits.await.unwrap().unwrap();

    let turns = workers(1);
    let left_alone = turns.of(LANE).await;
    let waits = tokio::spawn(left_alone.slice().or_longer(std::future::pending::<()>()));
    waits.abort();
    let _ = waits.await;
    assert!(turns.now(lane(1, 0)).await.is_some());
}

#[tokio::test]
async fn when_there_are_more_policies_those_that_wait_have_more_workers() {
    let turns = Turns::new(Workers::new(1, 1));
    let mut slow = Vec::new();
    for namespace in 0..2 {
        let turn = turns.of(lane(0, namespace)).await;
        drop(turn.slice());
        slow.push(turn);
    }
    let next = turns.waiting(lane(1, 0));
    turns.until_waiting(1).await;
    turns.set_workers(Workers::new(1, 2));
    assert_eq!(next.await.unwrap(), None);
    // Fewer take nothing from what is under way.
    turns.set_workers(Workers::new(1, 1));
    drop(slow);
    assert!(turns.now(lane(1, 0)).await.is_some());
    assert_eq!(turns.state().under_way.all, 0);
}
