import java.util.Set;
import java.util.concurrent.ConcurrentSkipListSet;
import java.util.concurrent.CountDownLatch;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;

/** One who stands for election as a NiFi node does, and leads until told to step down or interrupted. */
final class Candidate extends LeaderSelectorListenerAdapter implements AutoCloseable {
    /** The ids of all of this process who lead now. */
    static final Set<String> LEADING = new ConcurrentSkipListSet<>();

    final String id;
    final CuratorFramework client;
    final LeaderSelector selector;
    private volatile CountDownLatch term = new CountDownLatch(1);
    private volatile int terms;
    private volatile boolean besideAnother;
    private boolean closed;

    Candidate(Clients clients, String path, String id) throws Exception {
        this.id = id;
        client = clients.open(id);
        selector = new LeaderSelector(client, path, this);
        selector.autoRequeue();
        selector.setId(id);
        selector.start();
    }

    /** Another process's only work: to stand for election until it is killed. */
    public static void main(String[] arguments) throws Exception {
        new Candidate(new Clients(arguments[0]), arguments[1], arguments[2]);
        new CountDownLatch(1).await();
    }

    @Override
    public void takeLeadership(CuratorFramework whose) throws InterruptedException {
        CountDownLatch thisTerm = new CountDownLatch(1);
        term = thisTerm;
        besideAnother |= !LEADING.isEmpty();
        LEADING.add(id);
        terms++;
        Trace.say(id + " leads" + (LEADING.size() > 1 ? ", beside others: " + LEADING : ""));
        try {
            thisTerm.await();
        } finally {
            LEADING.remove(id);
            Trace.say(id + " leads no longer");
        }
    }

    boolean leads() {
        return LEADING.contains(id);
    }

    /** How often it has led. */
    int terms() {
        return terms;
    }

    /** Whether somebody else of this process led when it began to lead. */
    boolean ledBesideAnother() {
        return besideAnother;
    }

    void stepDown() {
        term.countDown();
    }

    /** Withdraws, and ends its session; once more does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            selector.close();
            client.close();
        }
    }
}
