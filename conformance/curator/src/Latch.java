import java.util.List;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderLatch;

/** Curator's other election recipe, LeaderLatch: asynchronous, and it keeps its znode while it is only suspended. */
final class Latch {
    private final Clients clients;
    private final String path;

    Latch(Clients clients, String root) {
        this.clients = clients;
        this.path = root + "/latch";
    }

    void run() throws Exception {
        try (CuratorFramework one = clients.open("one");
                CuratorFramework two = clients.open("two")) {
            LeaderLatch first = new LeaderLatch(one, path, "one");
            LeaderLatch second = new LeaderLatch(two, path, "two");
            first.start();
            Trace.await("the first leads", Trace.SOON_MS, first::hasLeadership);
            second.start();
            Trace.await("two are in the queue", Trace.SOON_MS, () -> second.getParticipants().size() == 2);
            Trace.must(!second.hasLeadership() && second.getLeader().getId().equals("one"), "the second sees another leader");
            brokenConnection(one, first, second);
            endedSession(one, first, second);
            cleanClose(first, second);
        }
    }

    private void brokenConnection(CuratorFramework client, LeaderLatch leader, LeaderLatch other) throws Exception {
        Trace.say("-- the leader's connection breaks: the znode stays, and so does the leader");
        List<String> before = client.getChildren().forPath(path).stream().sorted().toList();
        Clients.breakConnection(client);
        Trace.await("it stops", Trace.SOON_MS, () -> !leader.hasLeadership());
        Trace.await("it leads again", Trace.SOON_MS, leader::hasLeadership);
        Trace.must(!other.hasLeadership(), "two lead");
        Trace.must(client.getChildren().forPath(path).stream().sorted().toList().equals(before), "the znodes are others");
    }

    private void endedSession(CuratorFramework client, LeaderLatch leader, LeaderLatch other) throws Exception {
        Trace.say("-- the leader's session is ended: the other leads, and the former queues again");
        clients.endSession(client);
        Trace.await("the other leads", Trace.AT_ONCE_MS, other::hasLeadership);
        Trace.await("the former has stopped", Trace.SOON_MS, () -> !leader.hasLeadership());
        Trace.await("both are in the queue", Trace.SOON_MS, () -> other.getParticipants().size() == 2);
    }

    private void cleanClose(LeaderLatch waiting, LeaderLatch leader) throws Exception {
        Trace.say("-- the leader closes its latch: the one that waits follows");
        leader.close();
        Trace.await("it leads", Trace.AT_ONCE_MS, waiting::hasLeadership);
        waiting.close();
    }
}
