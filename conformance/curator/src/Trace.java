import java.util.concurrent.Callable;

/** What happened and when, printed as it happens; and waiting for things to happen, with an end. */
final class Trace {
    /** Long enough for whatever waits for no timeout of the servers, on a busy machine too. */
    static final long SOON_MS = 15_000;

    /** Shorter than any session's timeout: what comes later may be owed to that. */
    static final long AT_ONCE_MS = 3_000;

    private static final long BEGUN = System.nanoTime();
    private static final long POLL_MS = 20;

    private Trace() {}

    static long nowMs() {
        return (System.nanoTime() - BEGUN) / 1_000_000;
    }

    static synchronized void say(String what) {
        System.out.printf("%8.3f  %s%n", nowMs() / 1000.0, what);
    }

    /** Something that must hold does not; the check that found it ends there. */
    static final class Broken extends Exception {
        private static final long serialVersionUID = 1;

        Broken(String what) {
            super(what);
        }
    }

    static void must(boolean holds, String what) throws Broken {
        if (!holds) {
            throw new Broken(what);
        }
    }

    /** Waits for something to become true, and says how many milliseconds it took. */
    static long await(String what, long withinMs, Callable<Boolean> holds) throws Exception {
        long since = nowMs();
        while (!holds.call()) {
            must(nowMs() - since <= withinMs, "not within " + withinMs + " ms: " + what);
            Thread.sleep(POLL_MS);
        }
        return nowMs() - since;
    }
}
