// What has rung: held until there is a slot for it, answered by taking the job, and given back when there is none.
package craton;

import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

final class Bells {
    private static final long HELD = 200; // milliseconds that a bell waits for a slot, before other workers may have it
    private static final long AGAIN = 1000; // milliseconds before a bell is given back whose controller gives no answer

    private final Worker worker;
    private final Rabbit rabbit;
    private final Deque<Bell> held = new ArrayDeque<>();
    private final ExecutorService takers = Executors.newCachedThreadPool(Worker::daemon);
    private ScheduledFuture<?> timer = null;
    private int reserved = 0;
    private boolean closed = false;

    Bells(Worker worker, Rabbit rabbit) {
        this.worker = worker;
        this.rabbit = rabbit;
    }

    /** One has rung. */
    void heard(Bell bell) {
        if (bell.event() == null) {
            worker.log("what rang cannot be read, and goes to the dead letters");
            bell.bury();
            return;
        }
        synchronized (this) {
            held.add(bell);
        }
        ring();
    }

    /** Take what there is room for. While there is none what rings is held for a moment, and then wanted no more. */
    synchronized void ring() {
        fitting().forEach((door, bells) -> takers.execute(() -> take(door, bells)));
        if (!held.isEmpty() || worker.room() - reserved <= 0) {
            timer = timer != null ? timer : worker.clock.schedule(() -> takers.execute(this::giveBack), HELD, TimeUnit.MILLISECONDS);
        } else if (!closed) {
            if (timer != null) {
                timer.cancel(false);
            }
            timer = null;
            rabbit.wants(true);
        }
    }

    private Map<String, List<Bell>> fitting() {
        Map<String, List<Bell>> fitting = new HashMap<>();
        while (!held.isEmpty() && !closed) {
            int weight = Events.weight(held.peek().event());
            boolean alone = worker.idle() && reserved == 0;
            if (weight > worker.room() - reserved && !alone) {
                break;
            }
            reserved += weight;
            Bell bell = held.poll();
            fitting.computeIfAbsent(Events.text(bell.event(), "taskmodule"), module -> new ArrayList<>()).add(bell);
        }
        return fitting;
    }

    /** Take the jobs that rang; those that are not given are not to be done, by this worker or at all. */
    private void take(String module, List<Bell> bells) {
        int weight = bells.stream().mapToInt(bell -> Events.weight(bell.event())).sum();
        Controller door = worker.doorOf(module);
        try {
            if (door == null) {
                throw new IOException("CRATON_CONTROLLERS has no controller of the module " + module);
            }
            JsonObject question = worker.question(roomFor(weight), bells.size());
            question.add("jobs", Events.GSON.toJsonTree(bells.stream().map(bell -> Events.text(bell.event(), "taskid")).toList()));
            List<JsonObject> jobs = door.take(question);
            synchronized (this) {
                reserved -= weight;
                worker.begin(jobs, door);
            }
            bells.forEach(Bell::ack);
        } catch (IOException error) {
            if (door == null) {
                worker.log(error.getMessage());
            } else {
                door.lost(error);
            }
            worker.clock.schedule(() -> unanswered(bells, weight), AGAIN, TimeUnit.MILLISECONDS);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        ring();
    }

    private synchronized int roomFor(int weight) {
        return worker.room() - reserved + weight;
    }

    private void unanswered(List<Bell> bells, int weight) {
        synchronized (this) {
            reserved -= weight;
        }
        bells.forEach(Bell::back);
        ring();
    }

    private void giveBack() {
        try {
            rabbit.wants(false).get(); // else they would come back
        } catch (ExecutionException | InterruptedException error) {
            Thread.currentThread().interrupt();
        }
        List<Bell> bells;
        synchronized (this) {
            bells = List.copyOf(held);
            held.clear();
        }
        bells.forEach(Bell::back);
    }

    /** Hear no more; what was heard and not answered is given back. */
    void close() throws InterruptedException {
        synchronized (this) {
            closed = true;
        }
        giveBack();
        takers.shutdown();
        takers.awaitTermination(5, TimeUnit.SECONDS);
    }
}
