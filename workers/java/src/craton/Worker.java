// The worker: takes as many jobs as it has slots, keeps their leases, and reports how each of them ended.
package craton;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** `Worker.run(Map.of("module.task", handler))`: work until SIGTERM, as the environment says (see workers/README.md). */
public final class Worker {
    private static final int WAIT = 20; // seconds that a controller may wait for a job to come
    private static final int WAIT_WITHOUT_BROKER = 2; // the same, while the broker that would ring is away
    private static final long REPORTED_WITHIN = 5000; // milliseconds, at the end; else leases end by themselves
    private static final int STUCK = 70; // the exit status when a handler could not be stopped
    private static final int UNUSABLE = 2;

    final Settings settings;
    final ScheduledExecutorService clock = Executors.newScheduledThreadPool(1, Worker::daemon);
    private final Map<String, Handler> handlers;
    private final List<Controller> doors = new ArrayList<>();
    private final List<Thread> polls = new ArrayList<>();
    private final Set<Running> jobs = new LinkedHashSet<>();
    private final List<CompletableFuture<String>> returned = new ArrayList<>();
    private final Rabbit rabbit;
    private final Bells bells;
    private final CountDownLatch asked = new CountDownLatch(1); // to stop
    private final CountDownLatch finished = new CountDownLatch(1);
    private volatile int status = 0;
    private int used = 0;

    private Worker(Map<String, Handler> handlers, Settings settings) {
        this.handlers = handlers;
        this.settings = settings;
        settings.controllers().forEach((addresses, modules) -> doors.add(new Controller(addresses, modules, settings, this::log)));
        rabbit = settings.broker().isEmpty() ? null : new Rabbit(settings, this::log, this::changed);
        bells = rabbit == null ? null : new Bells(this, rabbit);
    }

    /** Work until this process is told to end; then end it. */
    public static void run(Map<String, Handler> handlers) {
        Worker worker;
        try {
            worker = new Worker(handlers, Settings.of(System.getenv()));
        } catch (SettingsError error) {
            System.err.println("craton-worker: " + error.getMessage());
            System.exit(UNUSABLE);
            return;
        }
        Runtime.getRuntime().addShutdownHook(new Thread(worker::shutdown));
        worker.work();
        System.exit(worker.status);
    }

    static Thread daemon(Runnable work) {
        Thread thread = new Thread(work);
        thread.setDaemon(true);
        return thread;
    }

    void log(String text) {
        System.err.println("craton-worker " + settings.name() + ": " + text);
    }

    private void shutdown() {
        asked.countDown();
        try {
            finished.await();
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        Runtime.getRuntime().halt(status); // else the status would tell of the signal
    }

    boolean stopping() {
        return asked.getCount() == 0;
    }

    // ------------------------------------------------------------------ taking

    private void work() {
        try {
            for (Controller door : doors) {
                Thread poll = daemon(() -> poll(door));
                poll.start();
                polls.add(poll);
            }
            if (rabbit != null) {
                rabbit.listen(bells::heard);
            }
            asked.await();
            leave();
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        } finally {
            finished.countDown();
        }
    }

    /** Ask one controller for jobs, while there is room and no broker that would ring. */
    private void poll(Controller door) {
        int tries = 0;
        try {
            while (!stopping()) {
                int room = awaitRoom();
                try {
                    JsonObject question = question(room, room);
                    question.addProperty("wait", rabbit == null ? WAIT : WAIT_WITHOUT_BROKER);
                    begin(door.take(question), door);
                    tries = 0;
                } catch (IOException error) {
                    door.lost(error);
                    Thread.sleep(Controller.backoff(tries++));
                }
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt(); // it stops
        }
    }

    private synchronized int awaitRoom() throws InterruptedException {
        while (room() <= 0 || (rabbit != null && rabbit.listening())) {
            wait();
        }
        return room();
    }

    JsonObject question(int room, int most) {
        JsonObject question = new JsonObject();
        question.addProperty("worker", settings.name());
        question.add("queues", Events.GSON.toJsonTree(settings.queues()));
        question.addProperty("room", room);
        question.addProperty("most", most);
        return question;
    }

    synchronized int room() {
        return settings.slots() - used;
    }

    synchronized boolean idle() {
        return used == 0;
    }

    Controller doorOf(String module) {
        return doors.stream().filter(door -> door.modules.contains(module)).findFirst().orElse(null);
    }

    Handler handlerOf(String task) throws JobError {
        Handler handler = handlers.get(task);
        if (handler == null) {
            throw new JobError("no-handler", "this worker has no handler for " + task + ": it has " + String.join(", ", handlers.keySet())
                    + ". Give the task a queue of workers that have one.", true, null);
        }
        return handler;
    }

    /** Begin with jobs that were given; what no longer fits is given back. */
    synchronized void begin(List<JsonObject> events, Controller door) {
        for (JsonObject event : events) {
            boolean fits = Events.weight(event) <= room() || used == 0;
            if (fits && !stopping()) {
                start(event, door);
            } else {
                returned.add(door.report(Events.report(event, "released", null, settings.name())));
            }
        }
    }

    private void start(JsonObject event, Controller door) {
        Running job = new Running(event, door, this);
        used += Events.weight(event);
        jobs.add(job);
        job.done.whenComplete((nothing, error) -> {
            if (error != null) {
                log(Events.text(event, "taskname") + " " + Events.text(event, "taskid") + ": " + error);
            }
            synchronized (this) {
                jobs.remove(job);
            }
        });
        job.start();
    }

    /** A handler has ended, and what it started: its room is free, also before its end is reported. */
    void freed(JsonObject event) {
        synchronized (this) {
            used -= Events.weight(event);
        }
        changed();
    }

    /** There may be room now, or nobody who rings. */
    private void changed() {
        synchronized (this) {
            notifyAll();
        }
        if (bells != null) {
            bells.ring();
        }
    }

    /** A handler goes on though it was told to stop; only the end of this process ends it. */
    void stuck(JsonObject event) {
        log(Events.text(event, "taskname") + " does not stop when its thread is interrupted: this worker ends, to be started anew");
        status = STUCK;
        asked.countDown();
    }

    // ------------------------------------------------------------------ stopping

    /** Let jobs end that soon do; give the others back, without their attempt being counted. */
    private void leave() throws InterruptedException {
        polls.forEach(Thread::interrupt);
        for (Thread poll : polls) {
            poll.join(1000);
        }
        if (bells != null) {
            bells.close();
        }
        List<Running> running;
        List<CompletableFuture<?>> open;
        synchronized (this) {
            running = List.copyOf(jobs);
            open = new ArrayList<>(returned);
        }
        running.forEach(job -> open.add(job.done));
        CompletableFuture<Void> all = CompletableFuture.allOf(open.toArray(CompletableFuture[]::new));
        if (!within(settings.grace(), all)) {
            running.forEach(job -> job.end("released"));
            within(settings.grace() + REPORTED_WITHIN, all);
        }
        if (rabbit != null) {
            rabbit.close();
        }
    }

    private static boolean within(long milliseconds, CompletableFuture<Void> all) throws InterruptedException {
        try {
            all.get(milliseconds, TimeUnit.MILLISECONDS);
            return true;
        } catch (java.util.concurrent.ExecutionException error) {
            return true; // it was logged
        } catch (TimeoutException error) {
            return false;
        }
    }
}
