import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryNTimes;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooKeeper;

/** Curator as NiFi sets it up, and what can be done to its sessions and connections from outside. */
final class Clients {
    /** NiFi's defaults: nifi.zookeeper.session.timeout and nifi.zookeeper.connect.timeout. */
    private static final int SESSION_TIMEOUT_MS = 3_000;

    private static final int CONNECT_TIMEOUT_MS = 3_000;

    private final String servers;

    Clients(String servers) {
        this.servers = servers;
    }

    CuratorFramework open(String name) throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.builder()
                .connectString(servers)
                .sessionTimeoutMs(SESSION_TIMEOUT_MS)
                .connectionTimeoutMs(CONNECT_TIMEOUT_MS)
                .retryPolicy(new RetryNTimes(1, 100))
                .defaultData(new byte[0])
                .ensembleTracker(true)
                .build();
        client.getConnectionStateListenable().addListener((whose, state) -> Trace.say(name + " is " + state));
        client.start();
        Trace.must(client.blockUntilConnected(10, TimeUnit.SECONDS), name + " does not connect to " + servers);
        return client;
    }

    static ZooKeeper handle(CuratorFramework client) throws Exception {
        return client.getZookeeperClient().getZooKeeper();
    }

    /** Breaks the connection; the session lives on, and the client comes back to it. */
    static void breakConnection(CuratorFramework client) throws Exception {
        handle(client).getTestable().closeSocket();
    }

    /** Ends the session on the servers, by way of a second client that enters it and closes it. */
    void endSession(CuratorFramework client) throws Exception {
        ZooKeeper handle = handle(client);
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper twin = new ZooKeeper(
                servers,
                handle.getSessionTimeout(),
                event -> {
                    if (event.getState() == KeeperState.SyncConnected) {
                        connected.countDown();
                    }
                },
                handle.getSessionId(),
                handle.getSessionPasswd());
        Trace.must(connected.await(10, TimeUnit.SECONDS), "nobody else can enter the session");
        twin.close();
    }
}
