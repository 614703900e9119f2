//! What strangers may send to the real program, and what each gets: the table of docs/bad-input.md, row by row.

mod admin;
mod admin_paths;
mod answers;
mod auth_hook;
mod binary;
mod client;
mod connects;
mod engine;
mod events;
mod frames;
mod gets;
mod handshakes;
mod hooks;
mod http;
mod memory;
mod others;
mod page;
mod permissions;
mod published;
mod rates;
mod request;
mod resume;
mod slow;
mod tokens;
mod upgrades;
mod world;

use client::Packet;
use futures_util::future::{LocalBoxFuture, join_all};
use gets::Gets;
use world::World;

/// Inputs of one kind.
struct Group {
    /// Its heading on the page.
    title: &'static str,
    rows: Vec<Row>,
}

/// One input.
struct Row {
    /// In the words of the page.
    input: &'static str,
    gets: Gets,
    case: Case,
}

/// What is sent, and where.
enum Case {
    /// Bytes on a connection to the public listener.
    Public(Vec<u8>),
    /// Bytes on a connection to the admin listener.
    Admin(Vec<u8>),
    /// A request on a connection to each listener, with a good one behind it.
    Framing(Vec<u8>),
    /// Bytes on a WebSocket that has joined `/`.
    Frames(Vec<u8>),
    /// Packets of a client that has joined `/`, by both transports.
    Packets(Vec<Packet>),
    /// Packets of a client that has joined nothing yet, by both transports.
    Early(Vec<Packet>),
    /// The body of a POST in a session that has joined `/`.
    Body(Vec<u8>),
    /// The answer of this index to the question who a client is, by both transports.
    Identified(usize),
    /// A resume token, or what a guest does, by its place in its table, by both transports.
    Resumed(usize),
    /// A setting, given to `userline config check`.
    Setting(&'static str),
    /// A `hooks.url`, given to `userline config check`.
    HookUrl(&'static str),
    /// What is published on Redis, by its place in its table.
    Published(usize),
    /// What is added to a stream of Redis, by its place in its table.
    Added(usize),
    /// What takes more than one step.
    Scene(fn(&World) -> LocalBoxFuture<'_, Gets>),
}

impl Row {
    fn scene(
        input: &'static str,
        gets: Gets,
        scene: fn(&World) -> LocalBoxFuture<'_, Gets>,
    ) -> Self {
        Self { input, gets, case: Case::Scene(scene) }
    }
}

fn groups() -> Vec<Group> {
    vec![
        http::group(),
        http::framing_group(),
        handshakes::group(),
        frames::group(),
        engine::group(),
        upgrades::group(),
        others::group(),
        connects::group(),
        events::group(),
        binary::group(),
        tokens::group(),
        admin::group(),
        admin_paths::group(),
        hooks::group(),
        answers::group(),
        permissions::group(),
        published::group(),
        published::entry_group(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_sent_gets_what_the_page_says_and_harms_nobody_else() {
    let mut world = World::start().await;
    let before = world.holds().await;
    let mut wrong = Vec::new();

    let slow = slow::group();
    let got = join_all(slow.rows.iter().map(|row| world.run(row))).await;
    for (row, got) in slow.rows.iter().zip(got) {
        note(&slow, row, &got, &mut wrong);
    }
    world.bystanders_are_well(slow.title).await;
    for of_their_own in [auth_hook::group(), resume::group()] {
        for some in of_their_own.rows.chunks(4) {
            let got = join_all(some.iter().map(|row| world.run(row))).await;
            for (row, got) in some.iter().zip(got) {
                note(&of_their_own, row, &got, &mut wrong);
            }
            world.bystanders_are_well(of_their_own.title).await;
        }
    }
    for group in groups() {
        for row in &group.rows {
            let got = world.run(row).await;
            note(&group, row, &got, &mut wrong);
            world.bystanders_are_well(row.input).await;
        }
    }

    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), world.log());
    world.ends_as_it_began(before).await;
}

/// By themselves, because it takes longer than bystanders may be silent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_sends_too_fast_gets_what_the_page_says() {
    let (world, group, mut wrong) = (World::start().await, rates::group(), Vec::new());
    let got = join_all(group.rows.iter().map(|row| world.run(row))).await;
    for (row, got) in group.rows.iter().zip(got) {
        note(&group, row, &got, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), world.log());
}

fn note(group: &Group, row: &Row, got: &[Gets], wrong: &mut Vec<String>) {
    assert!(!got.is_empty());
    for differs in got.iter().filter(|got| **got != row.gets) {
        wrong.push(format!("{}: {}: {differs}, not {}", group.title, row.input, row.gets));
    }
}

#[test]
fn the_page_has_the_same_table() {
    let others = [auth_hook::group(), resume::group(), rates::group(), slow::group()];
    let groups: Vec<Group> = groups().into_iter().chain(others).collect();
    let rows: usize = groups.iter().map(|it| it.rows.len()).sum();
    assert!(80 < rows, "{rows}");
    let wanted: String = groups.iter().map(page::section).collect();
    let written = page::tables();
    assert!(written == wanted, "docs/bad-input.md must hold these tables:\n{wanted}");
}
