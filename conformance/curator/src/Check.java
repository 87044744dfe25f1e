import java.util.LinkedHashMap;
import java.util.Map;
import java.util.UUID;
import org.apache.curator.framework.CuratorFramework;

/** Runs Curator's recipes against servers: `Check HOST:PORT[,HOST:PORT…] TICK_MS`; ends with 0 if all is as it must be, else 1. */
final class Check {
    private interface Part {
        void run() throws Exception;
    }

    private Check() {}

    public static void main(String[] arguments) throws Exception {
        String servers = arguments[0];
        long tickMs = Long.parseLong(arguments[1]);
        Clients clients = new Clients(servers);
        String root = "/curator-" + UUID.randomUUID();

        Map<String, Part> parts = new LinkedHashMap<>();
        parts.put("LeaderSelector", new Election(clients, servers, root, tickMs)::run);
        parts.put("LeaderLatch", new Latch(clients, root)::run);
        parts.put("InterProcessMutex", new Mutex(clients, root)::run);
        parts.put("watches and CuratorCache", new Watching(clients, root)::run);
        parts.put("cleaning up", () -> deleteAll(clients, root));
        boolean allWell = true;
        for (Map.Entry<String, Part> part : parts.entrySet()) {
            allWell &= run(part.getKey(), part.getValue());
        }
        System.out.println(allWell ? "all is as it must be" : "not all is as it must be; see above");
        // Curator's threads may not know yet that it is over.
        System.exit(allWell ? 0 : 1);
    }

    private static void deleteAll(Clients clients, String root) throws Exception {
        try (CuratorFramework client = clients.open("cleaner")) {
            client.delete().deletingChildrenIfNeeded().forPath(root);
        }
    }

    private static boolean run(String name, Part part) {
        System.out.println("== " + name);
        try {
            part.run();
            System.out.println("ok");
            return true;
        } catch (Trace.Broken broken) {
            System.out.println("BROKEN: " + broken.getMessage());
        } catch (Exception unexpected) {
            System.out.println("BROKEN: " + unexpected);
        }
        return false;
    }
}
