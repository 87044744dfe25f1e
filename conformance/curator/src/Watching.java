import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.api.CuratorWatcher;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.zookeeper.Watcher.Event.EventType;

/** Watches of every kind outlive their connection, because the client library gives them to the server again. */
final class Watching {
    private final Clients clients;
    private final String path;

    Watching(Clients clients, String root) {
        this.clients = clients;
        this.path = root + "/watched";
    }

    void run() throws Exception {
        try (CuratorFramework watcher = clients.open("watcher");
                CuratorFramework writer = clients.open("writer")) {
            writer.create().creatingParentContainersIfNeeded().forPath(path + "/there", "old".getBytes());
            oneShot(watcher, writer);
            cache(watcher, writer);
        }
    }

    private void oneShot(CuratorFramework watcher, CuratorFramework writer) throws Exception {
        Trace.say("-- one-shot watches, then the connection breaks, then what they wait for happens");
        Queue<String> heard = new ConcurrentLinkedQueue<>();
        CuratorWatcher hear = event -> {
            if (event.getType() != EventType.None) {
                heard.add(event.getType() + " " + event.getPath().substring(path.length()));
            }
        };
        watcher.getData().usingWatcher(hear).forPath(path + "/there");
        watcher.checkExists().usingWatcher(hear).forPath(path + "/later");
        watcher.getChildren().usingWatcher(hear).forPath(path + "/there");
        reconnect(watcher);
        writer.setData().forPath(path + "/there", "new".getBytes());
        writer.create().forPath(path + "/later");
        writer.create().forPath(path + "/there/child");
        Trace.await("three events, heard: " + heard, Trace.SOON_MS, () -> heard.size() >= 3);
        Trace.say("heard " + heard);
        Trace.must(
                heard.size() == 3
                        && heard.contains("NodeDataChanged /there")
                        && heard.contains("NodeCreated /later")
                        && heard.contains("NodeChildrenChanged /there"),
                "heard " + heard);
    }

    private void cache(CuratorFramework watcher, CuratorFramework writer) throws Exception {
        Trace.say("-- a cache, which has a persistent recursive watch, through a broken connection");
        Map<String, String> seen = new ConcurrentHashMap<>();
        try (CuratorCache cache = CuratorCache.build(watcher, path)) {
            cache.listenable().addListener(CuratorCacheListener.builder()
                    .forCreatesAndChanges((before, now) -> seen.put(now.getPath(), new String(now.getData())))
                    .forDeletes(gone -> seen.remove(gone.getPath()))
                    .build());
            cache.start();
            Trace.await("it has what was there", Trace.SOON_MS, () -> seen.size() == 4);
            writer.setData().forPath(path + "/later", "1".getBytes());
            Trace.await("it sees a change", Trace.SOON_MS, () -> "1".equals(seen.get(path + "/later")));
            reconnect(watcher);
            writer.setData().forPath(path + "/later", "2".getBytes());
            writer.delete().forPath(path + "/there/child");
            Trace.await("it sees a change and a deletion after the break", Trace.SOON_MS, () ->
                    "2".equals(seen.get(path + "/later")) && !seen.containsKey(path + "/there/child"));
        }
    }

    private void reconnect(CuratorFramework client) throws Exception {
        long session = Clients.handle(client).getSessionId();
        Clients.breakConnection(client);
        Trace.await("it has lost its connection", Trace.SOON_MS, () -> !client.getZookeeperClient().isConnected());
        Trace.await("it is connected again", Trace.SOON_MS, () -> client.getZookeeperClient().isConnected());
        Trace.must(Clients.handle(client).getSessionId() == session, "it has another session");
    }
}
