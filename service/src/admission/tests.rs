use proptest::prelude::*;

use super::*;

fn bounds() -> Bounds {
    Bounds {
        requests: 8,
        logins: 4,
        reserved_requests: 2,
        body_bytes: 400,
        reply_bytes: 100,
        reserved_bytes: 40,
        share_percent: 50,
    }
}

fn share(admission: &Admission, lane: Lane, owner: u8) -> Share {
    admission.share(lane, Owner::Token(&CredentialHash([owner; 32])))
}

#[test]
fn an_owner_with_its_share_is_refused_until_it_gives_back_and_others_are_not() {
    let admission = Admission::new(&bounds());
    let one = share(&admission, Lane::General, 1);
    let take = |share| admission.hold(share, Resource::Requests, 1);
    let mut held: Vec<Held> = (0..4).map(|_| take(one).unwrap()).collect();
    assert!(take(one).is_none());
    let refusals = || admission.refusals_of(Lane::General, Resource::Requests);
    assert_eq!(refusals(), (0, 1), "its share");
    held.extend((0..4).map(|_| take(share(&admission, Lane::General, 2)).unwrap()));
    assert!(take(share(&admission, Lane::General, 3)).is_none());
    assert_eq!(refusals(), (1, 1), "the budget");
    assert_eq!(
        (admission.requests_in_flight(), admission.refusals()),
        (8, 2)
    );
    held.remove(0);
    assert!(take(one).is_some());
}

#[test]
fn a_full_lane_leaves_the_others_as_they_are() {
    let admission = Admission::new(&bounds());
    let owners = (0..8).map(|owner| share(&admission, Lane::General, owner));
    let _held: Vec<Held> = owners
        .map(|share| admission.hold(share, Resource::Requests, 1).unwrap())
        .collect();
    for lane in [Lane::Login, Lane::Safety, Lane::Status] {
        let one = share(&admission, lane, 1);
        assert!(admission.hold(one, Resource::Requests, 1).is_some());
    }
}

#[test]
fn what_is_larger_than_a_share_has_room_for_whoever_holds_nothing_else() {
    let admission = Admission::new(&bounds());
    let one = share(&admission, Lane::General, 1);
    let mut body = admission.hold_nothing(one, Resource::BodyBytes);
    assert!(body.more(199) && body.more(150), "one body grows");
    assert!(!body.more(52), "within the budget");
    assert!(admission.hold(one, Resource::BodyBytes, 1).is_none());
    let other = share(&admission, Lane::General, 2);
    assert!(admission.hold(other, Resource::BodyBytes, 51).is_some());
    drop(body);
    assert!(admission.hold(one, Resource::BodyBytes, 400).is_some());
}

#[test]
fn what_is_there_already_is_counted_also_beyond_the_budget() {
    let admission = Admission::new(&bounds());
    let one = share(&admission, Lane::General, 1);
    let mut held = admission.hold(one, Resource::ReplyBytes, 10).unwrap();
    held.set(130);
    assert_eq!(admission.in_use(Lane::General, Resource::ReplyBytes), 130);
    let other = share(&admission, Lane::General, 2);
    assert!(admission.hold(other, Resource::ReplyBytes, 1).is_none());
    held.set(5);
    assert!(admission.hold(other, Resource::ReplyBytes, 95).is_some());
}

#[test]
fn the_longest_batch_has_room_when_nothing_else_is_worked_on() {
    let admission = Admission::new(&bounds());
    let one = share(&admission, Lane::General, 1);
    let batch = admission.hold(one, Resource::Items, Limits::BATCH_ITEMS);
    assert!(admission.hold(one, Resource::Items, 1).is_none());
    drop(batch);
    assert!(admission.hold(one, Resource::Items, 1).is_some());
}

#[test]
fn no_amount_is_too_large_to_be_refused() {
    let admission = Admission::new(&bounds());
    let one = share(&admission, Lane::General, 1);
    let mut held = admission.hold(one, Resource::BodyBytes, 1).unwrap();
    assert!(!held.more(usize::MAX));
    assert_eq!(admission.in_use(Lane::General, Resource::BodyBytes), 1);
    assert!(held.more(1));
}

/// One step of somebody: takes so much, or gives its oldest hold back.
#[derive(Clone, Debug)]
struct Step {
    owner: u8,
    take: Option<usize>,
}

fn step() -> impl Strategy<Value = Step> {
    let take = proptest::option::of(0_usize..300);
    (0_u8..4, take).prop_map(|(owner, take)| Step { owner, take })
}

proptest! {
    #[test]
    fn nobody_holds_more_than_a_share_or_one_thing_and_everything_is_given_back(
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let admission = Admission::new(&bounds());
        let mut held: [Vec<Held>; 4] = Default::default();
        for Step { owner, take } in steps {
            let share = share(&admission, Lane::General, owner);
            let mine = &mut held[usize::from(owner)];
            match take {
                Some(amount) => mine.extend(admission.hold(share, Resource::BodyBytes, amount)),
                None if mine.is_empty() => {}
                None => drop(mine.remove(0)),
            }
            let sum = |held: &Vec<Held>| held.iter().map(|held| held.amount).sum::<usize>();
            for mine in &held {
                let real = mine.iter().filter(|held| held.amount > 0).count();
                prop_assert!(sum(mine) <= 200 || real <= 1, "{mine:?}");
            }
            let all: usize = held.iter().map(sum).sum();
            prop_assert!(all <= 400);
            prop_assert_eq!(admission.in_use(Lane::General, Resource::BodyBytes), all);
        }
        drop(held);
        prop_assert_eq!(admission.in_use(Lane::General, Resource::BodyBytes), 0);
        for owner in 0..4 {
            let share = share(&admission, Lane::General, owner);
            prop_assert!(admission.hold(share, Resource::BodyBytes, 400).is_some());
        }
    }
}
