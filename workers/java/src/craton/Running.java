// One job that this worker has: its handler on a thread of its own, its heartbeats, and how it ends.
package craton;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

final class Running {
    private static final long NEWS_EVERY = 1000; // milliseconds between two reports of progress, at least
    private static final long STOPS_WITHIN = 1000; // milliseconds, before a handler is left to itself
    private static final int LARGEST_RESULT = 1 << 20; // bytes

    final JsonObject event;
    private final Worker worker;
    private final Controller door;
    private final Job job;
    private final Thread thread;
    private final CompletableFuture<JsonObject> outcome = new CompletableFuture<>(); // the data of its last report
    private final ScheduledFuture<?> beats;
    private final ScheduledFuture<?> limit;
    /** Resolves when its end has been reported, or nothing is to be said. */
    final CompletableFuture<Void> done;

    private String why = ""; // it ended or is to end: "succeeded", "failed", "timeout", "cancelled", "refused", "released"
    private JsonObject news = new JsonObject();
    private boolean beating = false;
    private boolean soon = false;
    private long told = 0;
    private volatile boolean kept = false; // there is a checkpoint

    Running(JsonObject event, Controller door, Worker worker) {
        this.event = event;
        this.door = door;
        this.worker = worker;
        job = new Job(event, this::hear);
        kept = job.checkpoint != null;
        ScheduledExecutorService clock = worker.clock;
        long every = Events.number(event, "tasklease", 30) * 1000L / 3;
        beats = clock.scheduleAtFixedRate(this::beat, every, every, TimeUnit.MILLISECONDS);
        int seconds = Events.number(event, "tasktimeout", 0);
        limit = seconds > 0 ? clock.schedule(() -> end("timeout"), seconds, TimeUnit.SECONDS) : null;
        done = outcome.thenComposeAsync(this::tell);
        thread = new Thread(this::work, Events.text(event, "taskname") + " " + job.id);
        thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    /** Run the handler. */
    private void work() {
        JsonObject said;
        boolean failed = false;
        try {
            said = result(worker.handlerOf(Events.text(event, "taskname")).handle(event.getAsJsonObject("data"), job));
        } catch (Throwable error) { // an OutOfMemoryError, too, is a failure of this job
            said = Events.failure(error);
            failed = true;
        }
        ended(failed ? "failed" : "succeeded");
        outcome.complete(said);
    }

    private static JsonObject result(Object result) throws JobError {
        JsonElement tree = Events.GSON.toJsonTree(result);
        int size = Events.GSON.toJson(tree).getBytes(java.nio.charset.StandardCharsets.UTF_8).length;
        if (size > LARGEST_RESULT) {
            String message = "the result has " + size + " bytes, and " + LARGEST_RESULT + " at most are kept: put it into a blob";
            throw new JobError("result-too-large", message);
        }
        JsonObject data = new JsonObject();
        data.add("result", tree);
        return data;
    }

    private synchronized boolean ended(String how) {
        boolean first = why.isEmpty();
        why = first ? how : why;
        return first;
    }

    /** Stop it, unless it has ended. A handler that does not heed it ends with this process, which must be replaced. */
    void end(String how) {
        if (!ended(how)) {
            return;
        }
        job.kill();
        thread.interrupt();
        worker.clock.schedule(() -> {
            if (outcome.complete(new JsonObject())) {
                worker.stuck(event);
            }
        }, STOPS_WITHIN, TimeUnit.MILLISECONDS);
    }

    // ------------------------------------------------------------------ heartbeats

    /** What its handler says of its progress. */
    private synchronized void hear(double progress, JsonElement checkpoint) {
        news.addProperty("progress", progress);
        if (checkpoint != null && !checkpoint.isJsonNull()) {
            news.add("checkpoint", checkpoint);
            kept = true;
        }
        if (!soon) {
            soon = true;
            long pause = Math.max(0, told + NEWS_EVERY - System.currentTimeMillis());
            worker.clock.schedule(this::beat, pause, TimeUnit.MILLISECONDS);
        }
    }

    /** Tell that it is alive, and what is new of it; and do as the answer says. */
    private void beat() {
        JsonObject report;
        synchronized (this) {
            if (beating || !why.isEmpty()) {
                return;
            }
            beating = true;
            report = heartbeat();
        }
        door.report(report).thenAccept(verdict -> {
            synchronized (this) {
                beating = false;
            }
            if (!verdict.equals("taken")) {
                end(verdict.equals("cancel") ? "cancelled" : "refused");
            }
        });
    }

    private synchronized JsonObject heartbeat() {
        JsonObject data = news;
        news = new JsonObject();
        soon = false;
        told = System.currentTimeMillis();
        return Events.report(event, "heartbeat", data, worker.settings.name());
    }

    // ------------------------------------------------------------------ the end

    /**
     * Report how it ended. What it made is removed, unless that was accepted as its result, or there is a checkpoint,
     * which may speak of it.
     */
    private CompletableFuture<Void> tell(JsonObject said) {
        beats.cancel(false);
        if (limit != null) {
            limit.cancel(false);
        }
        job.kill(); // what the handler started and did not wait for
        worker.freed(event);
        if (why.equals("refused") || (!why.equals("succeeded") && !kept)) {
            clean();
        }
        if (why.equals("refused")) {
            worker.log(name() + ": another worker has it, what was made here is dropped");
            return CompletableFuture.completedFuture(null);
        }
        if (!why.equals("succeeded") && news.size() > 0) {
            door.report(heartbeat()); // its last checkpoint, for the next attempt
        }
        return door.report(ending(said)).thenAccept(this::heard);
    }

    private void heard(String verdict) {
        if (verdict.equals("refused")) {
            worker.log(name() + ": its end was refused, what was made here is dropped");
            clean();
        }
    }

    private JsonObject ending(JsonObject said) {
        JsonObject data = said;
        if (why.equals("timeout")) {
            data = Events.failure(new JobError("timeout", "it took longer than " + Events.text(event, "tasktimeout") + " s", true, null));
        }
        boolean failed = why.equals("timeout") || why.equals("failed");
        if (failed) {
            worker.log(name() + ", attempt " + job.attempt + ", failed: " + Events.text(data, "message"));
        }
        String kind = failed ? "failed" : why;
        return Events.report(event, kind, failed || kind.equals("succeeded") ? data : null, worker.settings.name());
    }

    private String name() {
        return Events.text(event, "taskname") + " " + job.id;
    }

    private void clean() {
        if (System.getenv("CRATON_BLOBS") == null) {
            return;
        }
        try {
            job.blobs().delete(job.folder);
        } catch (IOException | RuntimeException error) {
            worker.log(job.folder + " could not be removed: " + error);
        }
    }
}
