//! What is done to an ensemble, step by step, what must hold whatever the timing, and which times are taken. Whether the
//! times are right is left to the comparison.

use super::stage::{Action, Answer, Ask, ClientId, Findings, Greeting, Held, POLL, Part, Stage};
use std::time::Duration;

/// The tick of every stage.
pub const TICK: Duration = Duration::from_millis(200);

/// Ticks of silence after which leader and follower give each other up.
pub const SYNC_LIMIT: u32 = 5;

/// The timeout of sessions that shall not expire while something else is looked at: the longest that a tick of 200 ms allows.
const LONG: Duration = Duration::from_secs(4);

/// The timeout of sessions that shall expire.
const SHORT: Duration = Duration::from_secs(1);

/// How long something that must happen is waited for.
const AT_LAST: Duration = Duration::from_secs(15);

/// A script.
#[derive(Clone, Copy)]
pub struct Script {
    /// Its name, as it appears in the findings.
    pub name: &'static str,
    /// What it asks.
    pub about: &'static str,
    /// Plays it.
    pub play: fn(&mut dyn Stage, &mut Findings),
}

/// All scripts.
pub const SCRIPTS: &[Script] = &[
    Script {
        name: "leader-killed",
        about: "The leader is killed; both clients sit on followers.",
        play: leader_killed,
    },
    Script {
        name: "follower-killed",
        about: "A follower is killed; its client goes elsewhere.",
        play: follower_killed,
    },
    Script {
        name: "leader-hangs",
        about: "The leader is stopped for longer than followers wait, and resumed.",
        play: leader_hangs,
    },
    Script {
        name: "follower-hangs",
        about: "A follower is stopped for longer than the leader waits, and resumed.",
        play: follower_hangs,
    },
    Script {
        name: "quorum-lost",
        about: "Both followers are killed, for longer than a session lasts, and started again.",
        play: quorum_lost,
    },
    Script {
        name: "silent-client",
        about: "Two clients fall silent, one on the leader, one on a follower.",
        play: silent_client,
    },
    Script {
        name: "expiry-across-an-election",
        about: "A client falls silent, and the leader is killed before the session is due.",
        play: expiry_across_an_election,
    },
    Script {
        name: "moved-session",
        about: "A session is attached to a second server while its first connection is open.",
        play: moved_session,
    },
    Script {
        name: "in-doubt",
        about: "Eight creates are under way when the leader is killed.",
        play: in_doubt,
    },
];

/// Which server leads, and the other two.
fn cast(stage: &mut dyn Stage) -> (usize, [usize; 2]) {
    let mut leader = None;
    wait_until(stage, AT_LAST, |stage| {
        leader = (0..3).find(|&server| stage.part(server) == Some(Part::Leader));
        leader.is_some() && (0..3).all(|server| stage.part(server).is_some())
    });
    let leader = leader.expect("an ensemble that nobody has touched has a leader");
    let mut others = (0..3).filter(|&server| server != leader);
    (leader, [others.next().expect("two others"), others.next().expect("two others")])
}

/// Waits until something holds: how long it took, or `None` when it did not come to it.
fn wait_until(
    stage: &mut dyn Stage,
    at_most: Duration,
    mut holds: impl FnMut(&mut dyn Stage) -> bool,
) -> Option<Duration> {
    let since = stage.now();
    while stage.now() - since < at_most {
        if holds(stage) {
            return Some(stage.now() - since);
        }
        stage.wait(POLL);
    }
    None
}

fn attached(stage: &mut dyn Stage, server: usize, timeout: Duration) -> (ClientId, Held) {
    match stage.connect(server, timeout, None) {
        Greeting::Attached(client, held) => (client, held),
        other => panic!("server {server} serves, and answered a new client with {other:?}"),
    }
}

fn create(path: &str, ephemeral: bool) -> Ask {
    Ask::Create { path: path.to_owned(), ephemeral }
}

fn version(path: &str) -> Ask {
    Ask::Version { path: path.to_owned() }
}

/// Attaches a session again, to whichever of some servers takes it. `Ok` with the connection; `Err` when it has expired, or
/// nobody took it.
fn attach_again(stage: &mut dyn Stage, servers: &[usize], held: &Held) -> Result<ClientId, Greeting> {
    let mut last = Greeting::Refused;
    let mut client = None;
    wait_until(stage, AT_LAST, |stage| {
        servers.iter().any(|&server| {
            last = stage.connect(server, held.timeout, Some(held));
            if let Greeting::Attached(id, _) = last {
                client = Some(id);
            }
            matches!(last, Greeting::Attached(..) | Greeting::Expired)
        })
    });
    client.ok_or(last)
}

fn zxid_of(answer: Answer) -> u64 {
    match answer {
        Answer::Done { zxid, .. } => zxid,
        Answer::NoNode | Answer::Refused(_) | Answer::Closed | Answer::Silent => 0,
    }
}

fn leader_killed(stage: &mut dyn Stage, findings: &mut Findings) {
    let (leader, followers) = cast(stage);
    let (first, mut held) = attached(stage, followers[0], LONG);
    let (second, _) = attached(stage, followers[1], LONG);
    let made = stage.ask(first, &create("/e", true));
    findings.must(made.is_done(), format!("a healthy ensemble takes a write: {made:?}"));
    held.last_zxid = zxid_of(made);
    stage.perform(leader, Action::Kill);
    let killed = stage.now();
    let closed = wait_until(stage, AT_LAST, |stage| stage.is_closed(first) && stage.is_closed(second));
    findings.must(closed.is_some(), "followers close their clients' connections when the leader is gone");
    findings.took("followers close their clients' connections", closed.unwrap_or_default());
    wait_until(stage, AT_LAST, |stage| {
        followers.iter().any(|&server| stage.part(server) == Some(Part::Leader))
    });
    findings.took("a new leader serves", stage.now() - killed);
    let again = attach_again(stage, &followers, &held);
    findings.must(again.is_ok(), format!("the session outlives its leader: {again:?}"));
    if let Ok(client) = again {
        let wrote = stage.ask(client, &create("/after", false));
        findings.took("a client has written again", stage.now() - killed);
        findings.must(wrote.is_done(), format!("the new leader takes a write: {wrote:?}"));
        findings.must(zxid_of(wrote) >> 32 > held.last_zxid >> 32, "a new leader begins a new epoch");
        findings.must(stage.ask(client, &version("/e")).is_done(), "the ephemeral node outlives the leader");
    }
}

fn follower_killed(stage: &mut dyn Stage, findings: &mut Findings) {
    let (leader, followers) = cast(stage);
    let (client, mut held) = attached(stage, followers[0], LONG);
    let (other, _) = attached(stage, leader, LONG);
    let made = stage.ask(client, &create("/e", true));
    held.last_zxid = zxid_of(made);
    stage.perform(followers[0], Action::Kill);
    let killed = stage.now();
    let closed = wait_until(stage, AT_LAST, |stage| stage.is_closed(client));
    findings.must(closed.is_some(), "the connection ends with the server's process");
    let again = attach_again(stage, &[followers[1], leader], &held);
    findings.took("the session is attached elsewhere", stage.now() - killed);
    findings.must(again.is_ok(), format!("the session outlives its server: {again:?}"));
    if let Ok(client) = again {
        let wrote = stage.ask(client, &create("/after", false));
        findings.took("a client has written again", stage.now() - killed);
        findings.must(wrote.is_done(), format!("two of three are a quorum: {wrote:?}"));
        findings.must(zxid_of(wrote) >> 32 == held.last_zxid >> 32, "there was no election");
    }
    findings.must(!stage.is_closed(other), "clients elsewhere notice nothing");
}

fn leader_hangs(stage: &mut dyn Stage, findings: &mut Findings) {
    let (leader, followers) = cast(stage);
    let (on_leader, _) = attached(stage, leader, LONG);
    let (reader, held) = attached(stage, followers[0], LONG);
    findings.must(stage.ask(on_leader, &create("/n", false)).is_done(), "a healthy ensemble takes a write");
    let (writer, _) = attached(stage, followers[1], LONG);
    stage.perform(leader, Action::Pause);
    let paused = stage.now();
    stage.send(writer, &create("/stuck", false));
    stage.send(writer, &Ask::Ping);
    let read = stage.ask(reader, &version("/n"));
    findings.must(read.is_done(), format!("followers serve reads while their leader hangs: {read:?}"));
    let stuck = stage.receive(writer, TICK);
    findings.must(
        stuck == Answer::Silent,
        format!("a write waits for the leader, and so does a ping behind it: {stuck:?}"),
    );
    wait_until(stage, AT_LAST, |stage| stage.is_closed(reader));
    findings.took("followers give the silent leader up", stage.now() - paused);
    wait_until(stage, AT_LAST, |stage| {
        followers.iter().any(|&server| stage.part(server) == Some(Part::Leader))
    });
    findings.took("a new leader serves", stage.now() - paused);
    let again = attach_again(stage, &followers, &held);
    findings.must(again.is_ok(), format!("the session outlives the hang: {again:?}"));
    let Ok(client) = again else { return };
    findings.must(
        stage.ask(client, &Ask::Set { path: "/n".to_owned() }).is_done(),
        "the new leader takes a write",
    );
    stage.perform(leader, Action::Resume);
    let resumed = stage.now();
    let mut stale = None;
    let mut synced = false;
    wait_until(stage, AT_LAST, |stage| {
        synced |= stage.ask(on_leader, &Ask::Sync).is_done();
        match stage.ask(on_leader, &version("/n")) {
            Answer::Done { version: 0, .. } => stale = Some(stage.now() - resumed),
            Answer::Done { .. } | Answer::NoNode | Answer::Refused(_) | Answer::Closed | Answer::Silent => {}
        }
        stage.is_closed(on_leader)
    });
    findings.took("the deposed leader drops its client", stage.now() - resumed);
    findings.took("the last stale read of the deposed leader", stale.unwrap_or_default());
    findings.took("it answered a sync in between (1 ms: yes)", Duration::from_millis(u64::from(synced)));
    let follows = wait_until(stage, AT_LAST, |stage| stage.part(leader) == Some(Part::Follower));
    findings.must(follows.is_some(), "the deposed leader follows in the end");
}

fn follower_hangs(stage: &mut dyn Stage, findings: &mut Findings) {
    let (leader, followers) = cast(stage);
    let (on_hung, held) = attached(stage, followers[0], LONG);
    let (on_leader, _) = attached(stage, leader, LONG);
    findings.must(stage.ask(on_leader, &create("/n", false)).is_done(), "a healthy ensemble takes a write");
    stage.perform(followers[0], Action::Pause);
    let paused = stage.now();
    let wrote = stage.ask(on_leader, &Ask::Set { path: "/n".to_owned() });
    findings.must(wrote.is_done(), format!("two of three are a quorum: {wrote:?}"));
    stage.wait(TICK * (SYNC_LIMIT + 3));
    findings.must(!stage.is_closed(on_leader), "clients elsewhere notice nothing");
    stage.perform(followers[0], Action::Resume);
    let resumed = stage.now();
    findings.must(resumed - paused < LONG, "the session was not silent for too long");
    let closed = wait_until(stage, AT_LAST, |stage| stage.is_closed(on_hung));
    findings.must(closed.is_some(), "a follower that was given up drops its clients");
    findings.took("the follower drops its client", stage.now() - resumed);
    let follows = wait_until(stage, AT_LAST, |stage| stage.part(followers[0]) == Some(Part::Follower));
    findings.must(follows.is_some(), "it follows again");
    findings.took("it follows again", stage.now() - resumed);
    let again = attach_again(stage, &followers[..1], &held);
    findings.must(again.is_ok(), format!("the session is attached there again: {again:?}"));
    if let Ok(client) = again {
        let caught_up = matches!(stage.ask(client, &version("/n")), Answer::Done { version: 1, .. });
        findings.must(caught_up, "what was missed has been caught up with");
    }
}

fn quorum_lost(stage: &mut dyn Stage, findings: &mut Findings) {
    let (leader, followers) = cast(stage);
    let (client, mut held) = attached(stage, leader, SHORT);
    held.last_zxid = zxid_of(stage.ask(client, &create("/e", true)));
    for follower in followers {
        stage.perform(follower, Action::Kill);
    }
    let killed = stage.now();
    wait_until(stage, AT_LAST, |stage| stage.is_closed(client));
    findings.took("the leader without followers drops its client", stage.now() - killed);
    stage.wait(SHORT * 3);
    let greeting = stage.connect(leader, SHORT, Some(&held));
    findings.must(greeting == Greeting::Refused, format!("nobody is served without a quorum: {greeting:?}"));
    for follower in followers {
        stage.perform(follower, Action::Start);
    }
    let again = attach_again(stage, &[leader, followers[0], followers[1]], &held);
    findings.must(again.is_ok(), format!("nothing expires without a quorum: {again:?}"));
    let Ok(client) = again else { return };
    let there = stage.ask(client, &version("/e"));
    findings.must(there.is_done(), format!("the ephemeral node outlives the loss of the quorum: {there:?}"));
    let wrote = stage.ask(client, &create("/after", false));
    findings.must(wrote.is_done(), format!("with the quorum, writes come back: {wrote:?}"));
}

/// How long after a client's last word another client sees its node vanish.
fn vanishes(
    stage: &mut dyn Stage,
    watcher: (ClientId, usize),
    path: &str,
    since: Duration,
) -> Option<Duration> {
    let (mut client, server) = watcher;
    wait_until(stage, AT_LAST, |stage| match stage.ask(client, &version(path)) {
        Answer::NoNode => true,
        Answer::Closed | Answer::Silent => {
            if let Greeting::Attached(again, _) = stage.connect(server, LONG, None) {
                client = again;
            }
            false
        }
        Answer::Done { .. } | Answer::Refused(_) => false,
    })?;
    Some(stage.now() - since)
}

fn silent_client(stage: &mut dyn Stage, findings: &mut Findings) {
    let (leader, followers) = cast(stage);
    for (server, path, what) in [
        (leader, "/on-leader", "a session on the leader vanishes"),
        (followers[0], "/on-follower", "a session on a follower vanishes"),
    ] {
        let (client, held) = attached(stage, server, SHORT);
        let made = stage.ask(client, &create(path, true));
        findings.must(made.is_done(), format!("a healthy ensemble takes a write: {made:?}"));
        let since = stage.now();
        let (watcher, _) = attached(stage, leader, LONG);
        let gone = vanishes(stage, (watcher, leader), path, since);
        findings.took(what, gone.unwrap_or_default());
        findings.must(gone.is_some_and(|gone| gone > SHORT), "a session is given its whole timeout");
        wait_until(stage, AT_LAST, |stage| stage.is_closed(client));
        let greeting = stage.connect(followers[1], SHORT, Some(&held));
        findings.must(
            greeting == Greeting::Expired,
            format!("an expired session is over everywhere: {greeting:?}"),
        );
        stage.hang_up(watcher);
    }
}

fn expiry_across_an_election(stage: &mut dyn Stage, findings: &mut Findings) {
    let timeout = SHORT * 2;
    let (leader, followers) = cast(stage);
    let (client, _) = attached(stage, followers[0], timeout);
    let made = stage.ask(client, &create("/e", true));
    findings.must(made.is_done(), format!("a healthy ensemble takes a write: {made:?}"));
    let since = stage.now();
    stage.wait(timeout * 3 / 4);
    stage.perform(leader, Action::Kill);
    wait_until(stage, AT_LAST, |stage| {
        followers.iter().any(|&server| stage.part(server) == Some(Part::Leader))
    });
    let stands = stage.now();
    let mut watcher = None;
    wait_until(stage, AT_LAST, |stage| {
        if let Greeting::Attached(client, _) = stage.connect(followers[1], LONG, None) {
            watcher = Some(client);
        }
        watcher.is_some()
    });
    let Some(watcher) = watcher else {
        return findings.must(false, "a new leader takes new sessions");
    };
    let gone = vanishes(stage, (watcher, followers[1]), "/e", since);
    findings.took("the session vanishes after its last word", gone.unwrap_or_default());
    findings.took("and after the new leader was seen", stage.now() - stands);
    findings.must(
        stage.now() - stands > timeout - TICK * 2,
        "a new leader gives every session its whole timeout again",
    );
}

fn moved_session(stage: &mut dyn Stage, findings: &mut Findings) {
    let (_, followers) = cast(stage);
    let (old, mut held) = attached(stage, followers[0], LONG);
    held.last_zxid = zxid_of(stage.ask(old, &create("/e", true)));
    let again = attach_again(stage, &followers[1..], &held);
    findings.must(again.is_ok(), format!("a session can be attached elsewhere: {again:?}"));
    let Ok(new) = again else { return };
    let read = stage.ask(old, &version("/e"));
    findings.must(read.is_done(), format!("the old connection still reads: {read:?}"));
    let wrote = stage.ask(old, &create("/by-old", false));
    findings.must(wrote == Answer::Closed, format!("its next write closes it, without a word: {wrote:?}"));
    findings.must(stage.ask(new, &version("/by-old")) == Answer::NoNode, "and is not carried out");
    findings.must(stage.ask(new, &create("/by-new", false)).is_done(), "the new connection writes");
    findings.must(stage.ask(new, &version("/e")).is_done(), "the ephemeral node stays");
}

fn in_doubt(stage: &mut dyn Stage, findings: &mut Findings) {
    const CREATES: usize = 8;
    let (leader, followers) = cast(stage);
    let (client, _) = attached(stage, leader, LONG);
    for number in 0..CREATES {
        stage.send(client, &create(&format!("/{number}"), false));
    }
    stage.perform(leader, Action::Kill);
    let mut acknowledged = 0;
    while stage.receive(client, Duration::from_millis(500)).is_done() {
        acknowledged += 1;
    }
    let mut reader = None;
    wait_until(stage, AT_LAST, |stage| {
        if let Greeting::Attached(client, _) = stage.connect(followers[0], LONG, None) {
            reader = Some(client);
        }
        reader.is_some()
    });
    let Some(reader) = reader else { return findings.must(false, "the rest of the ensemble serves") };
    findings.must(stage.ask(reader, &Ask::Sync).is_done(), "the new leader answers a sync");
    let done: Vec<bool> =
        (0..CREATES).map(|number| stage.ask(reader, &version(&format!("/{number}"))).is_done()).collect();
    let count = done.iter().take_while(|done| **done).count();
    findings.must(done.iter().skip(count).all(|done| !done), format!("what was done is a prefix: {done:?}"));
    findings.must(count >= acknowledged, format!("what was acknowledged is done: {acknowledged}, {done:?}"));
}
