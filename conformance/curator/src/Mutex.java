import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;

/** InterProcessMutex: nobody is let in beside another, and everybody is let in at last. */
final class Mutex {
    private static final int CLIENTS = 4;
    private static final int ROUNDS = 25;
    private static final long PATIENCE_SECONDS = 60;

    private final Clients clients;
    private final String path;
    private final String counter;

    Mutex(Clients clients, String root) {
        this.clients = clients;
        this.path = root + "/mutex";
        this.counter = root + "/counter";
    }

    void run() throws Exception {
        try (CuratorFramework one = clients.open("one");
                CuratorFramework two = clients.open("two")) {
            heldOnceAndAgain(new InterProcessMutex(one, path), new InterProcessMutex(two, path));
        }
        countTogether();
    }

    private void heldOnceAndAgain(InterProcessMutex mine, InterProcessMutex theirs) throws Exception {
        Trace.say("-- one holds it, twice over; the other is not let in until both are given back");
        mine.acquire();
        mine.acquire();
        mine.release();
        Trace.must(!theirs.acquire(500, TimeUnit.MILLISECONDS), "two hold it");
        Trace.must(mine.getParticipantNodes().size() == 1, "who gave up waiting left a znode: " + mine.getParticipantNodes());
        mine.release();
        Trace.must(theirs.acquire(5, TimeUnit.SECONDS), "it was given back, and the other is not let in");
        theirs.release();
    }

    /** Each reads the number, and writes it one greater without asking for a version: only the mutex keeps them apart. */
    private void countTogether() throws Exception {
        Trace.say("-- " + CLIENTS + " clients count to " + CLIENTS * ROUNDS + " together");
        ExecutorService pool = Executors.newFixedThreadPool(CLIENTS);
        try (CuratorFramework reader = clients.open("reader")) {
            reader.create().creatingParentContainersIfNeeded().forPath(counter, "0".getBytes());
            List<Future<Void>> all = new ArrayList<>();
            for (int i = 0; i < CLIENTS; i++) {
                all.add(pool.submit(count("client-" + i)));
            }
            for (Future<Void> one : all) {
                one.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
            }
            String counted = new String(reader.getData().forPath(counter));
            Trace.must(counted.equals(String.valueOf(CLIENTS * ROUNDS)), "they counted to " + counted);
        } finally {
            pool.shutdownNow();
        }
    }

    private Callable<Void> count(String name) {
        return () -> {
            try (CuratorFramework client = clients.open(name)) {
                InterProcessMutex mutex = new InterProcessMutex(client, path);
                for (int round = 0; round < ROUNDS; round++) {
                    mutex.acquire();
                    try {
                        int before = Integer.parseInt(new String(client.getData().forPath(counter)));
                        client.setData().forPath(counter, String.valueOf(before + 1).getBytes());
                    } finally {
                        mutex.release();
                    }
                }
            }
            return null;
        };
    }
}
