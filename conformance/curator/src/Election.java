import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.Participant;
import org.apache.zookeeper.KeeperException.ConnectionLossException;

/** NiFi's election: LeaderSelector with requeueing, through everything that can end a leader's term. */
final class Election {
    private final Clients clients;
    private final String servers;
    private final String path;
    private final long tickMs;

    Election(Clients clients, String servers, String root, long tickMs) {
        this.clients = clients;
        this.servers = servers;
        this.path = root + "/leaders/Cluster Coordinator";
        this.tickMs = tickMs;
    }

    void run() throws Exception {
        try (Candidate a = new Candidate(clients, path, "a:1");
                Candidate b = new Candidate(clients, path, "b:2")) {
            oneLeadsAndAllSeeWho(a, b);
            steppingDown(a, b);
            brokenConnection(a, b);
            Trace.must(!a.ledBesideAnother() && !b.ledBesideAnother(), "two led at once though no session ended");
            endedSession(a, b);
            killedProcess(a, b);
            cleanClose(a, b);
        }
    }

    private void oneLeadsAndAllSeeWho(Candidate a, Candidate b) throws Exception {
        Trace.say("-- one leads, and all see who");
        awaitOneLeader(a, b);
        awaitQueue(a, "a:1", "b:2");
        byte[] first = a.client.getData().forPath(path + "/" + queue(a).get(0));
        Trace.must(new String(first).equals(leader(a, b).id), "the first znode holds " + new String(first));
        Trace.must(queue(a).get(0).matches("_c_[0-9a-f-]{36}-lock-\\d{10}"), "unexpected name " + queue(a).get(0));
    }

    private void steppingDown(Candidate a, Candidate b) throws Exception {
        Candidate leader = leader(a, b);
        Candidate other = leader == a ? b : a;
        Trace.say("-- " + leader.id + " steps down, " + other.id + " follows, " + leader.id + " queues again");
        leader.stepDown();
        Trace.await(other.id + " leads", Trace.AT_ONCE_MS, other::leads);
        awaitQueue(other, "a:1", "b:2");
        awaitOneLeader(a, b);
        Trace.must(other.leads(), other.id + " leads no longer");
    }

    private void brokenConnection(Candidate a, Candidate b) throws Exception {
        Candidate leader = leader(a, b);
        long session = Clients.handle(leader.client).getSessionId();
        int terms = leader.terms();
        Trace.say("-- the connection of " + leader.id + " breaks: it must stop leading, and keeps its session");
        Clients.breakConnection(leader.client);
        Trace.await(leader.id + " stops", Trace.SOON_MS, () -> !leader.leads() || leader.terms() > terms);
        awaitOneLeader(a, b);
        awaitQueue(leader, "a:1", "b:2");
        Trace.must(Clients.handle(leader.client).getSessionId() == session, "it has another session");
    }

    private void endedSession(Candidate a, Candidate b) throws Exception {
        Candidate leader = leader(a, b);
        Candidate other = leader == a ? b : a;
        long session = Clients.handle(leader.client).getSessionId();
        Trace.say("-- the session of " + leader.id + " is ended on the server: " + other.id + " follows");
        clients.endSession(leader.client);
        Trace.await(other.id + " leads", Trace.AT_ONCE_MS, other::leads);
        Trace.await(leader.id + " has a new session", Trace.SOON_MS, () -> leader.client.getZookeeperClient().isConnected()
                && Clients.handle(leader.client).getSessionId() != session);
        awaitQueue(other, "a:1", "b:2");
        awaitOneLeader(a, b);
    }

    /** A process that dies says nothing: only the timeout ends its session. */
    private void killedProcess(Candidate a, Candidate b) throws Exception {
        Trace.say("-- another process leads and is killed: only its timeout ends its session");
        AtomicBoolean leads = new AtomicBoolean();
        Process process = start("c:3", leads);
        try {
            awaitQueue(a, "a:1", "b:2", "c:3");
            // Those before it make room; having stepped down they queue behind it.
            while (!leads.get()) {
                Trace.await("somebody leads", Trace.SOON_MS, () -> leads.get() || a.leads() || b.leads());
                a.stepDown();
                b.stepDown();
            }
            Trace.await("all see that c:3 leads", Trace.SOON_MS, () -> leaderSeenBy(a).equals("c:3"));
            process.destroyForcibly().waitFor();
            Trace.say("c:3 is killed");
            Trace.must(leaderSeenBy(a).equals("c:3"), "its znode went with its connection: the session should live on");
            long timeoutMs = Clients.handle(a.client).getSessionTimeout();
            long took = Trace.await("somebody leads", timeoutMs + 2 * tickMs, () -> a.leads() || b.leads());
            Trace.say("leaderless for " + took + " ms; the timeout is " + timeoutMs + " ms, the tick " + tickMs + " ms");
            // It was heard of last at the latest a third of its timeout before it died.
            Trace.must(took >= timeoutMs / 2, "its session ended after " + took + " ms of " + timeoutMs);
            awaitOneLeader(a, b);
        } finally {
            process.destroyForcibly();
        }
    }

    private void cleanClose(Candidate a, Candidate b) throws Exception {
        Candidate leader = leader(a, b);
        Candidate other = leader == a ? b : a;
        Trace.say("-- " + leader.id + " goes, and says so: " + other.id + " follows");
        leader.close();
        Trace.await(other.id + " leads", Trace.AT_ONCE_MS, other::leads);
        awaitQueue(other, other.id);
    }

    private Process start(String id, AtomicBoolean leads) throws Exception {
        Process process = new ProcessBuilder(
                        ProcessHandle.current().info().command().orElse("java"),
                        "-cp", System.getProperty("java.class.path"), "-Dlog4j2.level=OFF", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
                        "Candidate", servers, path, id)
                .redirectErrorStream(true)
                .start();
        Thread reader = new Thread(() -> {
            try (BufferedReader lines = new BufferedReader(new InputStreamReader(process.getInputStream()))) {
                for (String line; (line = lines.readLine()) != null; ) {
                    Trace.say("(" + line.strip() + ")");
                    leads.set(leads.get() ? !line.endsWith("leads no longer") : line.endsWith(" leads"));
                }
            } catch (IOException endOfItsOutput) {
                // It was killed in the middle of a line.
            }
        });
        reader.setDaemon(true);
        reader.start();
        return process;
    }

    private static Candidate leader(Candidate a, Candidate b) {
        return a.leads() ? a : b;
    }

    /** Exactly one leads, says so itself, and is the one whom both see. */
    private void awaitOneLeader(Candidate a, Candidate b) throws Exception {
        Trace.await("exactly one leads, and both see it", Trace.SOON_MS, () -> Candidate.LEADING.size() == 1
                && leaderSeenBy(a).equals(leader(a, b).id)
                && leaderSeenBy(b).equals(leader(a, b).id)
                && leader(a, b).selector.hasLeadership());
    }

    private static String leaderSeenBy(Candidate candidate) throws Exception {
        try {
            return candidate.selector.getLeader().getId();
        } catch (ConnectionLossException notNow) {
            return "nobody: not connected";
        }
    }

    private void awaitQueue(Candidate witness, String... ids) throws Exception {
        Collection<String> expected = new TreeSet<>(List.of(ids));
        Trace.await("the queue is " + expected, Trace.SOON_MS, () -> idsInQueue(witness.selector).equals(expected));
        Trace.must(queue(witness).size() == ids.length, "somebody queues twice: " + queue(witness));
    }

    private static Collection<String> idsInQueue(LeaderSelector selector) throws Exception {
        return selector.getParticipants().stream().map(Participant::getId).collect(Collectors.toCollection(TreeSet::new));
    }

    /** The names of the znodes, first in the queue first. */
    private List<String> queue(Candidate witness) throws Exception {
        Map<String, String> bySequence = witness.client.getChildren().forPath(path).stream()
                .collect(Collectors.toMap(name -> name.substring(name.length() - 10), name -> name));
        return bySequence.keySet().stream().sorted().map(bySequence::get).toList();
    }
}
