//! One run: the machines are made, the plan is carried out, everything is healed, and the cluster must find itself again in
//! bounded time. The phases are those of `zeromaster_sim::run`, and so is the verdict.

use crate::environment::MadsimEnvironment;
use crate::node::{self, Flaw};
use crate::server::{self, Mail};
use crate::shared::{Alarm, PEOPLE, Shared, Way, World, ip, now};
use crate::timer::Timer;
use crate::unsupported::{Unsupported, unsupported};
use madsim::Config;
use madsim::net::NetSim;
use madsim::runtime::{Handle, NodeHandle, Runtime};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use zeromaster_core::operator::OperatorRequest;
use zeromaster_sim::network::Endpoint;
use zeromaster_sim::plan::{
    Action, Cut, Direction, Disk, DurationRange, Lasts, NodeNumber, OperatorAction, Protocol, Selector,
};
use zeromaster_sim::scenario::{Scenario, Start, StateExpectation};
use zeromaster_sim::setup::{Setup, SetupError, host};
use zeromaster_sim::time::SimTime;
use zeromaster_sim::witness::{Missing, Witness};
use zeromaster_sim::{Options, Outcome, Planned};
use zeromaster_zookeeper::ServerInput;

/// How much longer than in the simulator's own world a cluster may take to find itself again: what was sent over a cut is
/// sent again up to ten seconds after it is healed, and what follows may have to wait for a second such thing.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The name of this world, in the first line of a timeline.
const WORLD: &str = "madsim";

/// Why a scenario cannot be run here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RunError {
    /// Nowhere.
    Setup(SetupError),
    /// It has steps that madsim cannot express.
    Unsupported(Vec<Unsupported>),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Setup(error) => error.fmt(f),
            RunError::Unsupported(steps) => {
                let lines: Vec<String> = steps.iter().map(ToString::to_string).collect();
                f.write_str(&lines.join("\n"))
            }
        }
    }
}

impl std::error::Error for RunError {}

/// Does one run. `properties`: the text of the nifi.properties file that the scenario names.
///
/// # Errors
/// When the scenario cannot be run: which value makes no sense, or which step cannot be expressed.
pub fn run(
    scenario: &Scenario,
    properties: Option<&str>,
    seed: u64,
    options: Options,
) -> Result<Outcome, RunError> {
    let setup = Setup::new(scenario, properties).map_err(RunError::Setup)?;
    run_with(scenario, &setup, seed, options)
}

/// Does one run with a configuration that was read before.
///
/// # Errors
/// When the scenario has steps that madsim cannot express.
pub fn run_with(
    scenario: &Scenario,
    setup: &Setup,
    seed: u64,
    options: Options,
) -> Result<Outcome, RunError> {
    start(scenario, setup, seed, options, None)
}

/// Does one run of shells that all make this mistake.
///
/// # Errors
/// As [`run_with`].
#[cfg(feature = "flaws")]
pub fn run_flawed(
    scenario: &Scenario,
    setup: &Setup,
    seed: u64,
    options: Options,
    flaw: Flaw,
) -> Result<Outcome, RunError> {
    start(scenario, setup, seed, options, Some(flaw))
}

fn start(
    scenario: &Scenario,
    setup: &Setup,
    seed: u64,
    options: Options,
    flaw: Option<Flaw>,
) -> Result<Outcome, RunError> {
    let scenario = setup.complete(scenario).into_owned();
    let steps = unsupported(&scenario);
    if !steps.is_empty() {
        return Err(RunError::Unsupported(steps));
    }
    let (scenario, setup) = (Arc::new(scenario), Arc::new(setup.clone()));
    let mut config = Config::default();
    // madsim's range leaves its end out.
    let DurationRange { min, max } = scenario.latency;
    config.net.send_latency = min..max + Duration::from_nanos(1);
    // A thread of its own: madsim settles the order of hash maps once for each.
    let run = std::thread::spawn(move || {
        let runtime = Runtime::with_seed_and_config(seed, config);
        runtime.block_on(async move {
            let witness = Witness::new(scenario.clone(), setup.clone(), seed, options.timeline, WORLD);
            let run = Run::new(scenario, setup, Shared::new(World::new(witness)), seed, flaw);
            run.play_out().await
        })
    });
    Ok(run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}

/// Up to when a run goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Until {
    /// Up to this time.
    Time(SimTime),
    /// Until everything is healed, which a condition that comes true may bring forward or put off.
    Healing,
}

/// Something that happens at a time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Item {
    FirstStart(NodeNumber),
    StepBegins(usize),
    StepEnds(usize),
}

struct Run {
    scenario: Arc<Scenario>,
    setup: Arc<Setup>,
    shared: Shared,
    seed: u64,
    machines: BTreeMap<Endpoint, NodeHandle>,
    people: NodeHandle,
    /// What is still to happen, in the order of time; at one time, as it was put there.
    agenda: BTreeMap<(SimTime, u64), Item>,
    items: u64,
    /// Whom a step of the plan chose when it began, for when it ends.
    chosen: BTreeMap<usize, Vec<Endpoint>>,
    /// What is still to be compared, in the order of time.
    expected: Vec<StateExpectation>,
    /// Machines that were told to stop while they stood still: their processes end when they run on.
    stopping: BTreeSet<Endpoint>,
    healed: bool,
    looked_at: SimTime,
}

impl Run {
    fn new(scenario: Arc<Scenario>, setup: Arc<Setup>, shared: Shared, seed: u64, flaw: Option<Flaw>) -> Run {
        let handle = Handle::current();
        let people = handle.create_node().name("people").ip(PEOPLE).build();
        let mut machines = BTreeMap::new();
        for number in 1..=scenario.zookeeper.servers {
            let machine = Endpoint::ZooKeeper(number);
            let shared = shared.clone();
            let built = handle.create_node().name(machine.to_string()).ip(ip(machine));
            let built = built.init(move || server::process(shared.clone(), number)).build();
            machines.insert(machine, built);
        }
        for number in (1..=scenario.nodes).map(NodeNumber) {
            let machine = Endpoint::Node(number);
            let port = setup.of_node(number).node.socket.port;
            let shared = shared.clone();
            let built = handle.create_node().name(machine.to_string()).ip(ip(machine));
            let built = built.init(move || node::process(shared.clone(), number, port, flaw)).build();
            machines.insert(machine, built);
        }
        let expected = scenario.expect.states.clone();
        let mut run = Run {
            scenario,
            setup,
            shared,
            seed,
            machines,
            people,
            agenda: BTreeMap::new(),
            items: 0,
            chosen: BTreeMap::new(),
            expected,
            stopping: BTreeSet::new(),
            healed: false,
            looked_at: SimTime::ZERO,
        };
        for number in (1..=run.scenario.nodes).map(NodeNumber) {
            match run.scenario.start.get(&number).copied().unwrap_or_default() {
                Start::At(at) => run.plan(SimTime::ZERO + at, Item::FirstStart(number)),
                // The witness looks out for it.
                Start::When(_) => {}
            }
        }
        for step in 0..run.scenario.plan.steps.len() {
            let begins = run.begins(step);
            run.plan(begins, Item::StepBegins(step));
        }
        run
    }

    fn plan(&mut self, at: SimTime, item: Item) {
        self.items += 1;
        self.agenda.insert((at, self.items), item);
    }

    // Phases.

    async fn play_out(mut self) -> Outcome {
        self.advance(Until::Healing).await;
        let heals_at = self.shared.now(|world| world.witness.heals_at());
        let mut missing = Missing::new();
        if !self.is_over() {
            let gave_up = self.shared.now(|world| world.witness.gives_up());
            if gave_up || !self.scenario.plan.steps.is_empty() {
                self.heal();
            }
            missing = self.converge(heals_at).await;
            if missing.is_empty() {
                self.advance(Until::Time(SimTime::ZERO + self.scenario.ends_after())).await;
            }
        }
        if self.is_over() {
            missing.clear();
        }
        // Whoever is killed lets go of what it holds when madsim comes by.
        let handle = Handle::current();
        for machine in self.machines.values().chain([&self.people]) {
            handle.kill(machine.id());
        }
        let ended = now();
        Timer::after(Duration::from_millis(1)).await;
        let Run { scenario, setup, shared, seed, .. } = self;
        let witness = Witness::new(scenario, setup, seed, false, WORLD);
        let mut world = shared.take(World::new(witness));
        world.witness.at(ended);
        world.witness.conclude(&missing)
    }

    fn stops_at_violation(&self) -> bool {
        self.scenario.expect.violates.is_empty()
    }

    fn is_over(&self) -> bool {
        self.stops_at_violation() && self.shared.now(|world| world.witness.is_violated())
    }

    /// Runs up to `end`, and asks the properties once in every heartbeat interval.
    async fn advance(&mut self, end: Until) {
        while !self.is_over() {
            self.act_on_what_is_due();
            let until = match end {
                Until::Time(time) => time,
                Until::Healing => self.shared.now(|world| world.witness.heals_at()),
            };
            if self.shared.now(|world| world.witness.looks_for_conditions()) {
                continue;
            }
            if now() >= until {
                return;
            }
            let look = self.looked_at + self.setup.common().heartbeat_interval;
            let planned = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let state = self.expected.first().map(|state| SimTime::ZERO + state.at);
            let next = planned.into_iter().chain(state).fold(until.min(look), SimTime::min);
            self.sleep_until(next).await;
        }
    }

    /// Sleeps, unless something is found that ends the run, or a condition of the plan comes true.
    async fn sleep_until(&self, at: SimTime) {
        let mut sleep = pin!(Timer::after(at.since(now())));
        let of_violations = self.stops_at_violation();
        poll_fn(|context| {
            let is_raised = self.shared.now(|world| {
                world.alarm = None;
                let alarm = Alarm { waker: context.waker().clone(), of_violations };
                let is_raised = world.raises(&alarm);
                world.alarm = (!is_raised).then_some(alarm);
                is_raised
            });
            if is_raised {
                return Poll::Ready(());
            }
            sleep.as_mut().poll(context)
        })
        .await;
    }

    fn act_on_what_is_due(&mut self) {
        if self.healed {
            self.start_what_has_stopped();
        }
        while let Some(((at, _), _)) = self.agenda.first_key_value()
            && *at <= now()
            && let Some((_, item)) = self.agenda.pop_first()
        {
            match item {
                Item::FirstStart(node) => self.start_machine(Endpoint::Node(node)),
                Item::StepBegins(step) => {
                    if !self.shared.now(|world| world.witness.falls_due(number(step))) {
                        self.step_begins(step, self.begins(step));
                    }
                }
                Item::StepEnds(step) => self.step_ends(step),
            }
        }
        for planned in self.shared.now(|world| world.witness.take_come_true()) {
            match planned {
                Planned::Start(node) => self.start_machine(Endpoint::Node(node)),
                Planned::Step(step) => self.step_begins(step as usize, now()),
            }
        }
        while self.expected.first().is_some_and(|state| SimTime::ZERO + state.at <= now()) {
            let state = self.expected.remove(0);
            self.shared.now(|world| world.witness.compare(&state));
        }
        if now() >= self.looked_at + self.setup.common().heartbeat_interval {
            self.look();
        }
    }

    fn look(&mut self) {
        self.looked_at = now();
        self.shared.now(|world| {
            world.witness.look();
            for node in (1..=self.scenario.nodes).map(NodeNumber) {
                let Some(late) = world.witness.overdue(node) else { continue };
                if let Some((property, finding)) = world.shell.overdue(node, late, world.witness.now()) {
                    world.witness.found(property, finding);
                }
            }
        });
    }

    /// Waits until everything that must come about has come about; what has not, when the time is up.
    async fn converge(&mut self, since: SimTime) -> Missing {
        loop {
            let (waiting, is_late) = self.shared.now(|world| world.witness.waits_for(since, PATIENCE));
            if waiting.is_empty() || is_late || self.is_over() {
                return waiting;
            }
            self.advance(Until::Time(now() + self.setup.common().heartbeat_interval)).await;
        }
    }

    /// Undoes every fault: the network is whole, ZooKeeper serves, and every process runs.
    fn heal(&mut self) {
        self.healed = true;
        self.shared.now(|world| world.witness.heals());
        self.agenda.retain(|_, item| matches!(item, Item::FirstStart(_)));
        let stays = |step: &u32| {
            let step = self.scenario.plan.steps.get(*step as usize);
            step.is_some_and(|step| step.lasts == Lasts::ForEver)
        };
        let cutting = self.shared.now(|world| world.cutting());
        for step in cutting.into_iter().filter(|step| !stays(step)) {
            self.set_cut(step, None);
        }
        self.set_losses(BTreeSet::new());
        let is_server = |machine: &Endpoint| matches!(machine, Endpoint::ZooKeeper(_));
        let (servers, nodes): (Vec<Endpoint>, Vec<Endpoint>) =
            self.machines.keys().copied().partition(is_server);
        for machine in servers.into_iter().chain(nodes) {
            if !self.is_gone(machine) {
                self.resume(machine, None);
                self.start_machine(machine);
            }
        }
    }

    // The plan.

    /// When a step begins, or begins to wait for its condition.
    fn begins(&self, step: usize) -> SimTime {
        self.shared.now(|world| world.witness.begins(number(step)))
    }

    /// A step begins, at the time that is planned for it or when its condition comes true.
    fn step_begins(&mut self, step: usize, at: SimTime) {
        let scenario = self.scenario.clone();
        let planned = &scenario.plan.steps[step];
        self.shared.now(|world| world.witness.step_begins(number(step), planned));
        self.act(step, &planned.action);
        match planned.lasts {
            Lasts::UntilHealed => {}
            Lasts::For(length) => self.plan(at + length, Item::StepEnds(step)),
            Lasts::ForEver => {
                let struck = if planned.action == Action::ZooKeeperDown {
                    self.shared.now(|world| world.witness.select(Selector::ZooKeeper))
                } else {
                    self.chosen.get(&step).cloned().unwrap_or_default()
                };
                self.shared.now(|world| world.witness.lasts_for_ever(&planned.action, &struck));
            }
        }
    }

    /// Whether a machine's process never runs again.
    fn is_gone(&self, machine: Endpoint) -> bool {
        self.shared.now(|world| world.witness.is_gone(machine))
    }

    fn act(&mut self, step: usize, action: &Action) {
        match action {
            Action::Cut { cut, protocol } => {
                let ways = self.ways(cut, *protocol);
                self.set_cut(number(step), Some(ways));
            }
            Action::Loss { .. } => {
                let mut losses = self.shared.now(|world| world.losses.clone());
                losses.insert(number(step));
                self.set_losses(losses);
            }
            Action::Crash { node, disk } => self.each(step, *node, |run, machine| run.crash(machine, *disk)),
            Action::Stop { node } => self.each(step, *node, Run::stop),
            Action::Start { node } => self.each(step, *node, Run::start_machine),
            Action::Restart { node } => self.each(step, *node, |run, machine| {
                run.crash(machine, Disk::Kept);
                run.start_machine(machine);
            }),
            Action::Pause { node, .. } => self.each(step, *node, |run, machine| run.pause(step, machine)),
            Action::WallClock { server, by_ms } => self.each(step, *server, |run, machine| {
                if let Endpoint::ZooKeeper(server) = machine {
                    let input = run.shared.now(|world| world.witness.wall_clock_set(server, *by_ms));
                    run.tell_server(server, input);
                }
            }),
            Action::ExpireSession { node } => self.each(step, *node, Run::expire_session),
            Action::ZooKeeperDown => {
                for server in self.shared.now(|world| world.witness.select(Selector::ZooKeeper)) {
                    self.crash(server, Disk::Kept);
                }
            }
            Action::Operator { at, request } => self.operator(step, *at, *request),
            Action::Duplicate { .. }
            | Action::Delay { .. }
            | Action::Slow { .. }
            | Action::ClockJump { .. }
            | Action::ClockDrift { .. } => unreachable!("{} was refused", action.word()),
        }
    }

    fn step_ends(&mut self, step: usize) {
        let scenario = self.scenario.clone();
        let action = &scenario.plan.steps[step].action;
        self.shared.now(|world| world.witness.step_ends(number(step), action));
        let chosen = self.chosen.get(&step).cloned().unwrap_or_default();
        match action {
            Action::Cut { .. } => self.set_cut(number(step), None),
            Action::Loss { .. } => {
                let mut losses = self.shared.now(|world| world.losses.clone());
                losses.remove(&number(step));
                self.set_losses(losses);
            }
            Action::Crash { .. } | Action::Stop { .. } => {
                chosen.into_iter().for_each(|machine| self.start_machine(machine));
            }
            Action::Pause { .. } => {
                chosen.into_iter().for_each(|machine| self.resume(machine, Some(number(step))));
            }
            Action::ZooKeeperDown => {
                for server in self.shared.now(|world| world.witness.select(Selector::ZooKeeper)) {
                    self.start_machine(server);
                }
            }
            Action::Start { .. }
            | Action::Restart { .. }
            | Action::WallClock { .. }
            | Action::ExpireSession { .. }
            | Action::Operator { .. } => {}
            Action::Duplicate { .. }
            | Action::Delay { .. }
            | Action::Slow { .. }
            | Action::ClockJump { .. }
            | Action::ClockDrift { .. } => unreachable!("{} was refused", action.word()),
        }
    }

    /// Does something to everybody that a selector means now; they are kept for when the step ends.
    fn each(&mut self, step: usize, selector: Selector, act: impl Fn(&mut Run, Endpoint)) {
        for machine in self.choose(step, selector) {
            act(self, machine);
        }
    }

    fn choose(&mut self, step: usize, selector: Selector) -> Vec<Endpoint> {
        let chosen = self.shared.now(|world| {
            let chosen = world.witness.select(selector);
            if chosen.is_empty() {
                world.witness.note("--", "skipped", || format!("nobody is {selector} now"));
            }
            chosen
        });
        self.chosen.insert(step, chosen.clone());
        chosen
    }

    // Links.

    fn ways(&self, cut: &Cut, protocol: Option<Protocol>) -> BTreeSet<Way> {
        let (from, to) = self.shared.now(|world| world.witness.sides(cut));
        let mut ways = BTreeSet::new();
        for (from, to) in from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))) {
            if from == to || protocol.is_some_and(|protocol| protocol != from.spoken_with(to)) {
                continue;
            }
            ways.insert((from, to));
            if cut.direction == Direction::Both {
                ways.insert((to, from));
            }
        }
        ways
    }

    fn set_cut(&self, step: u32, ways: Option<BTreeSet<Way>>) {
        let (cut, whole) = self.shared.now(|world| world.set_cut(step, ways));
        let network = NetSim::current();
        let id = |machine: Endpoint| self.machines[&machine].id();
        for (from, to) in cut {
            network.clog_link(id(from), id(to));
        }
        for (from, to) in whole {
            network.unclog_link(id(from), id(to));
        }
    }

    /// The greatest loss of all steps that let messages be lost.
    fn set_losses(&self, losses: BTreeSet<u32>) {
        let ratio = |step: &u32| match self.scenario.plan.steps.get(*step as usize).map(|step| &step.action) {
            Some(Action::Loss { ratio, .. }) => f64::from(ratio.numerator) / f64::from(ratio.denominator),
            _ => 0.0,
        };
        let rate = losses.iter().map(ratio).fold(0.0, f64::max);
        NetSim::current().update_config(|config| config.packet_loss_rate = rate);
        self.shared.now(|world| world.losses = losses);
    }

    // Machines.

    /// Starts a process on a machine that runs none, and is not gone for good.
    fn start_machine(&mut self, machine: Endpoint) {
        if self.is_gone(machine) {
            let words = || format!("{machine} is gone for good");
            return self.shared.now(|world| world.witness.note("--", "skipped", words));
        }
        let starts = self.shared.now(|world| match machine {
            Endpoint::Node(node) if !world.witness.runs(node) => {
                let start = world.witness.starts(node);
                world.starting.insert(node, start);
                world.shell.awake(node, world.witness.now());
                true
            }
            Endpoint::ZooKeeper(server) if !world.witness.server_runs(server) => {
                let outputs = world.witness.server_starts(server);
                world.restarting.insert(server, outputs);
                true
            }
            Endpoint::Node(_) | Endpoint::ZooKeeper(_) => false,
        });
        if starts {
            // What ended by itself has left its sockets behind.
            let (handle, id) = (Handle::current(), self.machines[&machine].id());
            handle.kill(id);
            handle.restart(id);
        }
    }

    fn crash(&mut self, machine: Endpoint, disk: Disk) {
        Handle::current().kill(self.machines[&machine].id());
        self.shared.now(|world| match machine {
            Endpoint::Node(node) => {
                world.starting.remove(&node);
                world.shell.ended(node);
                world.witness.ended(node);
                world.witness.disk_after_crash(node, disk);
            }
            Endpoint::ZooKeeper(server) => {
                world.servers.remove(&server);
                world.restarting.remove(&server);
                world.witness.server_crashed(server);
            }
        });
    }

    /// After the healing every process runs: also one that was told to stop while it stood still, and ended when it ran on.
    fn start_what_has_stopped(&mut self) {
        let runs = |machine: &Endpoint| self.shared.now(|world| world.runs(Some(*machine)));
        let (running, stopped): (BTreeSet<_>, BTreeSet<_>) =
            std::mem::take(&mut self.stopping).into_iter().partition(runs);
        self.stopping = running;
        for machine in stopped {
            self.start_machine(machine);
        }
    }

    /// Asks a process to stop. One that does not listen yet dies of it.
    fn stop(&mut self, machine: Endpoint) {
        if self.shared.now(|world| world.runs(Some(machine))) {
            let (handle, id) = (Handle::current(), self.machines[&machine].id());
            handle.send_ctrl_c(id);
            if handle.is_exit(id) {
                self.crash(machine, Disk::Kept);
            } else {
                self.stopping.insert(machine);
            }
        }
    }

    fn pause(&mut self, step: usize, machine: Endpoint) {
        if !self.shared.now(|world| world.runs(Some(machine))) {
            return;
        }
        self.shared.now(|world| match machine {
            Endpoint::Node(node) => world.witness.paused(node, number(step)),
            Endpoint::ZooKeeper(server) => world.witness.server_paused(server, number(step)),
        });
        Handle::current().pause(self.machines[&machine].id());
    }

    /// Lets a process run on. `step`: only if it was that step that held it up.
    fn resume(&mut self, machine: Endpoint, step: Option<u32>) {
        if self.is_gone(machine) {
            return;
        }
        let resumes = self.shared.now(|world| match machine {
            Endpoint::Node(node) => {
                world.shell.awake(node, world.witness.now());
                world.witness.resumed(node, step)
            }
            Endpoint::ZooKeeper(server) => world.witness.server_resumed(server, step),
        });
        if resumes {
            Handle::current().resume(self.machines[&machine].id());
        }
    }

    fn tell_server(&self, server: u32, input: ServerInput) {
        self.shared.now(|world| {
            if let Some(mailbox) = world.servers.get(&server) {
                // One that has just died need not be told.
                let _ = mailbox.unbounded_send(Mail::Input(input));
            }
        });
    }

    fn expire_session(&mut self, machine: Endpoint) {
        let Endpoint::Node(node) = machine else { return };
        let Some(leader) = self.shared.now(|world| world.witness.leader()) else {
            let words = || "no ZooKeeper server leads now".into();
            return self.shared.now(|world| world.witness.note("--", "skipped", words));
        };
        if let Some(session) = self.shared.now(|world| world.witness.forces_expiry(node)) {
            self.tell_server(leader, ServerInput::ExpireSession { session });
        }
    }

    // People.

    fn operator(&mut self, step: usize, at: Selector, action: OperatorAction) {
        let nodes = |selected: Vec<Endpoint>| {
            selected.into_iter().find_map(|machine| match machine {
                Endpoint::Node(node) => Some(node),
                Endpoint::ZooKeeper(_) => None,
            })
        };
        let target = nodes(self.shared.now(|world| world.witness.select(action.node())));
        let Some(target) = target else {
            let words = || format!("nobody is {} now", action.node());
            return self.shared.now(|world| world.witness.note("--", "skipped", words));
        };
        let Some(at) = nodes(self.choose(step, at)) else { return };
        if !self.shared.now(|world| world.witness.is_awake(at)) {
            let words = || format!("{at} does not answer");
            return self.shared.now(|world| world.witness.note("--", "skipped", words));
        }
        let request = self.shared.now(|world| {
            let id = world.witness.id_of(target);
            if !matches!(action, OperatorAction::Connect(_)) {
                world.witness.asks_to_put_out(target);
            }
            match action {
                OperatorAction::Connect(_) => OperatorRequest::Connect(id),
                OperatorAction::Disconnect(_) => OperatorRequest::Disconnect(id),
                OperatorAction::Remove(_) => OperatorRequest::Remove(id),
                OperatorAction::Offload(_) => OperatorRequest::Offload(id),
            }
        });
        let port = self.setup.of_node(at).node.socket.port;
        let environment =
            MadsimEnvironment { shared: self.shared.clone(), node: None, offset: Duration::ZERO, port };
        let address = zeromaster_core::identity::Address { host: host(at), port };
        drop(self.people.spawn(async move {
            // What came of it is in the timeline when the node says it.
            let _ = zeromaster_runtime::ask(&environment, address, request).await;
        }));
    }
}

/// The number of a step, as the witness counts them.
fn number(step: usize) -> u32 {
    u32::try_from(step).expect("plans are shorter")
}
