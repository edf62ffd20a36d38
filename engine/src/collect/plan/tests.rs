use proptest::prelude::*;

use super::*;

const PACK: u64 = 1000;

fn aims(garbage_thousandths: u16) -> Aims {
    Aims { garbage_thousandths, pack_bytes: PACK, free_bytes: 1 << 30, reserve_bytes: 100 }
}

/// Objects of ten bytes, in a file with a tenth of overhead.
fn pack(number: u32, kind: Kind, live: u64, dead: u64) -> PackFigures {
    PackFigures {
        number,
        kind,
        file_bytes: (live + dead) * 11,
        live_bytes: live * 10,
        live_objects: live,
        dead_bytes: dead * 10,
        dead_objects: dead,
        state: PackState::Sealed,
    }
}

fn acts(plan: &Plan) -> Vec<(u32, Act, Why)> {
    plan.packs.iter().map(|planned| (planned.pack.number, planned.act, planned.why)).collect()
}

#[test]
fn each_pack_gets_what_it_is_worth() {
    let packs = [
        pack(0, Kind::Data, 80, 0),
        pack(1, Kind::Data, 0, 90),
        pack(2, Kind::Data, 60, 30),
        pack(3, Kind::Data, 98, 2),
        pack(4, Kind::Data, 990, 10),
        pack(5, Kind::Node, 90, 10),
        pack(6, Kind::Node, 50, 50),
        pack(7, Kind::Node, 0, 70),
        pack(8, Kind::Node, 90, 0),
    ];
    let plan = plan(&packs, &aims(1));
    assert_eq!(
        acts(&plan),
        [
            (1, Act::Remove, Why::Dead),
            (7, Act::Remove, Why::Dead),
            (5, Act::Strike, Why::DeadNodes),
            (6, Act::Empty, Why::Garbage { percent: 50 }),
            (2, Act::Empty, Why::Garbage { percent: 33 }),
            (3, Act::Empty, Why::Garbage { percent: 2 }),
        ]
    );
    assert_eq!(plan.moved_bytes, 500 + 600 + 980);
    assert_eq!(plan.freed_bytes, 990 + 770 + (1100 - 500) + (990 - 600) + (1100 - 980));
    assert_eq!(plan.left_bytes, 100 + 100, "what is below two percent, and the nodes that were struck out");
    assert_eq!(plan.postponed, 0);
}

/// Of 2,000 live bytes 20 thousandths may stay dead: 40. The pack that has more of them goes, the other may stay.
#[test]
fn garbage_may_stay_up_to_its_share() {
    let packs = [pack(0, Kind::Data, 100, 4), pack(1, Kind::Data, 100, 10)];
    assert_eq!(acts(&plan(&packs, &aims(20))), [(1, Act::Empty, Why::Garbage { percent: 9 })]);
    assert_eq!(acts(&plan(&packs, &aims(70))), []);
    assert_eq!(plan(&packs, &aims(70)).left_bytes, 140);
}

#[test]
fn small_packs_are_merged_when_they_fill_one_or_are_many() {
    let small = |count: u32, kind: Kind, live: u64| -> Vec<PackFigures> {
        (0..count).map(|number| pack(number, kind, live, 0)).collect()
    };
    for kind in [Kind::Data, Kind::Node] {
        let merged = |count: u32, live: u64| plan(&small(count, kind, live), &aims(10)).packs.len();
        assert_eq!(merged(16, 1), 0);
        assert_eq!(merged(17, 1), 17);
        assert_eq!(merged(4, 22), 0, "880 bytes fill no pack of 1000");
        assert_eq!(merged(5, 22), 5);
        assert_eq!(merged(5, 23), 0, "253 bytes are no small pack");
    }
    let both = [small(16, Kind::Data, 1), small(16, Kind::Node, 1)].concat();
    assert_eq!(acts(&plan(&both, &aims(10))), [], "16 of each kind");
}

#[test]
fn a_pack_that_is_still_written_is_only_struck() {
    let open = |pack: PackFigures| PackFigures { state: PackState::Open, ..pack };
    let packs = [
        open(pack(0, Kind::Data, 0, 50)),
        open(pack(1, Kind::Data, 10, 50)),
        open(pack(2, Kind::Node, 0, 50)),
        open(pack(3, Kind::Node, 1, 0)),
    ];
    assert_eq!(acts(&plan(&packs, &aims(0))), [(2, Act::Strike, Why::DeadNodes)]);
}

/// What was struck out is known no more; the pack is emptied when it is a quarter of it, and not struck again.
#[test]
fn nodes_that_were_struck_out_weigh_on() {
    let struck = |dead: u64| PackFigures { dead_objects: 0, ..pack(0, Kind::Node, 74, dead) };
    assert_eq!(acts(&plan(&[struck(24)], &aims(0))), []);
    assert_eq!(acts(&plan(&[struck(26)], &aims(0))), [(0, Act::Empty, Why::Garbage { percent: 26 })]);
}

#[test]
fn without_room_only_that_goes_which_needs_none() {
    let full = Aims { free_bytes: 1099, ..aims(0) };
    let struck = PackFigures { dead_objects: 0, ..pack(3, Kind::Node, 50, 50) };
    let packs =
        [pack(0, Kind::Data, 0, 90), pack(1, Kind::Data, 40, 50), pack(2, Kind::Node, 40, 50), struck];
    let tight = plan(&packs, &full);
    assert_eq!(acts(&tight), [(0, Act::Remove, Why::Dead), (2, Act::Strike, Why::DeadNodes)]);
    assert_eq!((tight.moved_bytes, tight.freed_bytes), (0, 990));
    assert_eq!((tight.postponed, tight.left_bytes), (3, 500 + 500 + 500));
    assert_eq!(plan(&packs, &Aims { free_bytes: 1100, ..full }).packs.len(), 4);
}

prop_compose! {
    fn any_pack()(
        kind in prop::sample::select(vec![Kind::Data, Kind::Node]),
        live in prop_oneof![2 => Just(0), 3 => 0..30_u64, 5 => 0..90_u64],
        dead in prop_oneof![3 => Just(0), 3 => 0..4_u64, 2 => 0..60_u64],
        struck in prop::bool::weighted(0.2),
        open in prop::bool::weighted(0.1),
    ) -> PackFigures {
        let state = if open { PackState::Open } else { PackState::Sealed };
        let dead_objects = if struck && kind == Kind::Node { 0 } else { dead };
        PackFigures { state, dead_objects, ..pack(0, kind, live, dead) }
    }
}

fn packs() -> impl Strategy<Value = Vec<PackFigures>> {
    prop::collection::vec(any_pack(), 0..60).prop_map(|mut packs| {
        for (number, pack) in (0..).zip(&mut packs) {
            pack.number = number;
        }
        packs
    })
}

/// The packs after the plan was carried out: what is moved fills new packs, one behind the other.
fn carried_out(packs: &[PackFigures], plan: &Plan) -> Vec<PackFigures> {
    let mut after = Vec::new();
    for old in packs {
        match plan.packs.iter().find(|planned| planned.pack.number == old.number).map(|planned| planned.act) {
            None => after.push(*old),
            Some(Act::Strike) => after.push(PackFigures { dead_objects: 0, ..*old }),
            Some(Act::Remove | Act::Empty) => {}
        }
    }
    for kind in [Kind::Data, Kind::Node] {
        let moved =
            plan.packs.iter().filter(|planned| planned.act == Act::Empty && planned.pack.kind == kind);
        let mut live: u64 = moved.map(|planned| planned.pack.live_objects).sum();
        while live > 0 {
            let number = u32::try_from(packs.len() + after.len()).expect("few");
            after.push(pack(number, kind, live.min(90), 0));
            live -= live.min(90);
        }
    }
    after
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// What is moved may end in one small pack more, which the next plan may merge with others; then there is rest.
    #[test]
    fn plans_that_are_carried_out_come_to_rest(mut packs in packs(), garbage in 0..200_u16) {
        for left in (0..3).rev() {
            let plan = plan(&packs, &aims(garbage));
            prop_assert!(left > 0 || plan.packs.is_empty(), "{:?}", acts(&plan));
            packs = carried_out(&packs, &plan);
        }
    }

    #[test]
    fn what_must_go_goes_and_garbage_is_kept_low(packs in packs(), garbage in 0..200_u16) {
        let plan = plan(&packs, &aims(garbage));
        let after = carried_out(&packs, &plan);
        prop_assert!(after.iter().all(|pack| pack.state == PackState::Open || pack.live_objects > 0));
        prop_assert!(after.iter().all(|pack| pack.kind == Kind::Data || pack.dead_objects == 0), "a dead node is known");
        let data = after.iter().filter(|pack| pack.kind == Kind::Data);
        let (live, dead) = data.clone().fold((0, 0), |(live, dead), p| (live + p.live_bytes, dead + p.dead_bytes));
        let worth = |p: &PackFigures| p.state == PackState::Sealed && 50 * p.dead_bytes >= p.live_bytes + p.dead_bytes;
        prop_assert!(dead * 1000 <= live * u64::from(garbage) || !data.clone().any(worth));
        let sums = |packs: &[PackFigures]| packs.iter().map(|pack| pack.live_objects).sum::<u64>();
        prop_assert_eq!(sums(&packs), sums(&after));
        prop_assert_eq!(plan.left_bytes, after.iter().map(|pack| pack.dead_bytes).sum::<u64>());
    }

    /// Without the last pack that is emptied for its garbage, too much garbage would stay.
    #[test]
    fn nothing_is_copied_without_need(packs in packs(), garbage in 0..200_u16) {
        let plan = plan(&packs, &aims(garbage));
        let emptied = |planned: &&Planned| {
            planned.pack.kind == Kind::Data && matches!(planned.why, Why::Garbage { .. })
        };
        let alive = |pack: &&PackFigures| {
            pack.kind == Kind::Data && (pack.live_objects > 0 || pack.state == PackState::Open)
        };
        let live: u64 = packs.iter().filter(alive).map(|pack| pack.live_bytes).sum();
        let dead: u64 = packs.iter().filter(alive).map(|pack| pack.dead_bytes).sum();
        let gone: u64 = plan.packs.iter().filter(emptied).map(|planned| planned.pack.dead_bytes).sum();
        if let Some(last) = plan.packs.iter().rfind(emptied) {
            let stays = dead - gone + last.pack.dead_bytes;
            prop_assert!(stays * 1000 > live * u64::from(garbage), "{stays} of {live} would do");
        }
        prop_assert!(plan.packs.iter().all(|p| p.pack.state == PackState::Sealed || p.act == Act::Strike));
    }

    #[test]
    fn the_order_changes_nothing((packs, shuffled) in packs().prop_flat_map(|p| (Just(p.clone()), Just(p).prop_shuffle()))) {
        prop_assert_eq!(plan(&packs, &aims(10)), plan(&shuffled, &aims(10)));
    }
}
